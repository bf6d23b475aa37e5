# SPDX-License-Identifier: Apache-2.0
"""The ways in which this bot can go wrong on demand. `examples/break` is the hand that asks.

An order is the file state/fault.json, replaced as a whole, followed by SIGCONT as the door bell:
harmless to any process, and it wakes a stopped one. The bell's handler runs in the main thread even
while that thread is caught in a blocking call, a Python loop, a lock or a regular expression, so
that `break good` undoes these too. The bot answers with the order's number in state/fault.ack.

Each fault is one method, named after it: a coroutine runs beside the trading, a plain function runs
in the middle of the trading loop; a fault without a method is only looked up where it matters.
The orders under "lasting" also hold for the runs after this one, until `break good`.
"""

import asyncio
import hashlib
import inspect
import json
import logging
import os
import re
import resource
import signal
import socket
import threading
import time

from exchange import HOST, encode

STEP_S = 0.2

log = logging.getLogger("trading")


class Released(Exception):
    """Raised by the door bell inside a call that would otherwise block for ever."""


class Faults:
    def __init__(self, state, exchange):
        self.state = state
        self.exchange = exchange
        self.tasks = {}
        self.in_trading_loop = None
        self.is_stuck = False
        self.leaked = []
        self.workers = []
        self.burning = None
        document = self.read()
        self.seen = document.get("id")
        self.options = document.get("lasting", {})  # the faults in force, with their options

    def read(self):
        try:
            return json.loads((self.state / "fault.json").read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            log.error("state/fault.json is not used: %s", error)
            return {}

    def listen(self, loop, ask_stop):
        self.ask_stop = ask_stop
        if "crash-loop" in self.options:
            self.begin("crash-loop")

        def bell(*_):
            if self.read().get("id") != self.seen:
                loop.call_soon_threadsafe(self.take_order)
                if self.is_stuck:
                    self.is_stuck = False
                    raise Released

        signal.signal(signal.SIGCONT, bell)

    def take_order(self):
        document = self.read()
        if document.get("id") in (None, self.seen):
            return
        self.seen = document["id"]
        name = document["fault"]
        if name == "good":
            self.good()
        else:
            self.options[name] = document["options"]
            self.begin(name)
        (self.state / "fault.ack").write_text(self.seen)

    def begin(self, name):
        act = getattr(self, name.replace("-", "_"), None)
        if inspect.iscoroutinefunction(act):
            if name in self.tasks:
                self.tasks[name].cancel()
            self.tasks[name] = asyncio.ensure_future(act(**self.options[name]))
        elif act:
            self.in_trading_loop = lambda: act(**self.options.pop(name))

    def good(self):
        """End every fault and give back what it took."""
        for task in self.tasks.values():
            task.cancel()
        for thing in self.leaked:
            if hasattr(thing, "close"):
                thing.close()
        for pid in self.workers:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        if self.burning:
            self.burning.clear()
        self.in_trading_loop = None
        for kept in (self.tasks, self.options, self.leaked, self.workers):
            kept.clear()

    # What the bot asks.

    async def strike(self, stop):
        """Called by the trading loop in each round."""
        while True:
            act, self.in_trading_loop = self.in_trading_loop, None
            if act:
                act()
            if "stale" not in self.options or stop.is_set():
                return
            await asyncio.sleep(STEP_S)

    def seconds(self, name):
        return self.options.get(name, {}).get("seconds", 0)

    async def spoils_answer(self):
        """Called by the status page: delays the answer, or wants it to be an error."""
        await asyncio.sleep(self.seconds("slow-api"))
        flapping = self.seconds("flap")
        return "api-500" in self.options or (flapping and time.time() // flapping % 2 == 1)

    # Faults that end the bot.

    def crash(self):
        raise RuntimeError("the position book does not add up")

    def exit0(self):
        self.ask_stop("nothing left to trade")

    def segv(self):
        import ctypes  # here, because some small installations lack it

        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        ctypes.string_at(0)

    async def crash_loop(self, seconds):
        await asyncio.sleep(seconds)
        self.in_trading_loop = self.crash

    # Faults that stop the event loop.

    def stick(self, act):
        try:
            self.is_stuck = True
            act()
        except Released:
            pass
        self.is_stuck = False

    def hang(self):
        """A synchronous request in asynchronous code, and the other side never answers."""
        with socket.create_connection((HOST, self.exchange.port)) as connection:
            self.stick(lambda: connection.recv(1))

    def spin(self):
        def busy():
            while True:
                sum(range(1000))
        self.stick(busy)

    def gil(self):
        """Time doubles with each letter; the matcher is C and keeps the interpreter's lock."""
        self.stick(lambda: re.match(r"(a+)+$", "a" * 200 + "b"))

    def deadlock(self):
        lock = threading.Lock()
        with lock:
            self.stick(lock.acquire)

    # Faults that are told in the log.

    def error_burst(self, lines):
        for number in range(lines):
            log.error("Connection lost: order gateway %d does not answer", number % 7)

    def traceback(self):
        try:
            {}["BTC-USDT"]
        except KeyError:
            log.exception("cannot value the position")

    async def log_flood(self, lines_per_s, max_mb):
        line = "order book delta " + "0123456789" * 8
        for _ in range(int(max_mb * 1e6 / (len(line) + 40) / (lines_per_s * STEP_S)) + 1):
            for _ in range(int(lines_per_s * STEP_S)):
                log.info(line)
            await asyncio.sleep(STEP_S)

    # Faults that use things up.

    async def leak_memory(self, mb_per_s, max_mb):
        for _ in range(int(max_mb / mb_per_s / STEP_S)):
            self.leaked.append(b"x" * int(mb_per_s * 1e6 * STEP_S))  # the leak is this line
            await asyncio.sleep(STEP_S)

    def may_open(self):
        """Up to 95 % of the limit, so that the bot can still be talked to."""
        return len(os.listdir("/proc/self/fd")) < 0.95 * resource.getrlimit(resource.RLIMIT_NOFILE)[0]

    async def leak_fd(self, per_s):
        while self.may_open():
            self.leaked.append(open("/dev/null"))
            await asyncio.sleep(1 / per_s)

    async def leak_connections(self, per_s):
        """The exchange hangs up and the bot never closes its end: CLOSE_WAIT."""
        while self.may_open():
            connection = socket.create_connection((HOST, self.exchange.port))
            connection.sendall(encode(op="logout"))
            self.leaked.append(connection)
            await asyncio.sleep(1 / per_s)

    async def cpu(self, threads):
        """Hashing leaves the interpreter's lock alone: the processors burn, the bot still works."""
        if self.burning:
            self.burning.clear()
        self.burning = threading.Event()
        self.burning.set()

        def burn(burning, block):
            while burning.is_set():
                hashlib.sha256(block)

        for _ in range(threads):
            threading.Thread(target=burn, args=(self.burning, bytes(1000000)), daemon=True).start()

    def fork_workers(self, workers):
        main = os.getpid()
        for _ in range(workers):
            pid = os.fork()
            if pid == 0:
                try:
                    self.work(main)
                finally:
                    os._exit(0)
            self.workers.append(pid)
        log.info("started workers %s", self.workers)
        time.sleep(0.05)
        lost = self.workers.pop(0)
        os.kill(lost, signal.SIGKILL)
        os.waitpid(lost, 0)
        log.warning("worker %d was killed; the others go on", lost)

    @staticmethod
    def work(main):
        # With the parent's handlers and descriptors, a signal to the child would be heard by the
        # parent, through their common wake-up pipe, and a dead parent's port would stay taken.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCONT):
            signal.signal(number, signal.SIG_DFL)
        os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        while os.getppid() == main:
            time.sleep(STEP_S)
