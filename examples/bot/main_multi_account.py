#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A small trading bot with several accounts: something real for albraguard to keep alive.

The market is pretended (exchange.py), everything a watchdog can see is real: connections, a status
page, logs, a heartbeat, state on disk, a graceful stop.

    http://localhost:5000/api/status   what the bot says of itself; `last_update` moves with its work
    logs/trading.log                   what it does
    logs/systemd_multi_error.log       what went wrong (what a unit would collect from stderr)
    state/heartbeat                    touched every second by the trading loop, and by nothing else
    state/positions.json               replaced as a whole every few seconds

`last_update` and the heartbeat are moved by the trading loop alone. A bot that still answers but no
longer trades therefore looks as dead as it is. faults.py is what `examples/break` talks to.
"""

import argparse
import asyncio
import fcntl
import json
import logging
import os
import random
import resource
import signal
import sys
import time
from datetime import datetime, timezone
from http import HTTPStatus
from pathlib import Path

from exchange import HOST, Exchange, encode
from faults import Faults

TICK_S = 0.25
HEARTBEAT_S = 1
SAVE_S = 5
RECONNECT_S = 2
CANCEL_TIMEOUT_S = 5
REQUEST_TIMEOUT_S = 10

log = logging.getLogger("trading")


class Account:
    """One login at the exchange: its connection, its open orders, its position."""

    def __init__(self, name):
        self.name = name
        self.prices = {}
        self.orders = {}
        self.position = {}
        self.writer = None

    async def stay_connected(self, port):
        while True:
            try:
                reader, self.writer = await asyncio.open_connection(HOST, port)
                self.send(op="login", account=self.name)
                async for line in reader:
                    self.take(json.loads(line))
            except OSError as error:
                log.debug("%s: %s", self.name, error)
            finally:
                if self.writer:
                    self.writer.close()
                self.writer = None
            self.orders.clear()  # the exchange drops the orders of a connection that is gone
            log.error("Connection lost: %s, trying again in %d s", self.name, RECONNECT_S)
            await asyncio.sleep(RECONNECT_S)

    def send(self, **message):
        self.writer.write(encode(**message))

    def take(self, message):
        if message["type"] == "prices":
            self.prices = message["prices"]
            return
        order = self.orders.pop(message["id"], None)
        if order and message["type"] == "filled":
            amount = order["amount"] if order["side"] == "buy" else -order["amount"]
            held = self.position.get(order["symbol"], 0) + amount
            self.position[order["symbol"]] = round(held, 6)
        log.info("%s: order %d %s", self.name, message["id"], message["type"])

    def place(self, number):
        symbol, price = random.choice(sorted(self.prices.items()))
        side = random.choice(["buy", "sell"])
        limit = round(price * (0.9998 if side == "buy" else 1.0002), 2)
        order = {"id": number, "symbol": symbol, "side": side, "amount": 0.01, "price": limit}
        self.orders[number] = order
        self.send(op="order", **order)
        log.info("%s: order %d %s 0.01 %s at %.2f", self.name, number, side, symbol, limit)


class Bot:
    def __init__(self, root, port, accounts):
        self.state = root / "state"
        self.port = port
        self.accounts = [Account("account-%d" % (i + 1)) for i in range(accounts)]
        self.exchange = Exchange()
        self.faults = Faults(self.state, self.exchange)
        self.status = "starting"
        self.ticks = 0
        self.orders = 0
        self.last_update = None
        self.started = time.monotonic()

    async def run(self):
        self.stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.ask_stop, signal.Signals(number).name)
        self.faults.listen(loop, self.ask_stop)
        self.claim()
        self.load()
        log.info("starting with %d accounts", len(self.accounts))

        await self.pause(self.faults.seconds("slow-start"))
        if not self.stop.is_set():
            await self.open()
            await self.trade()
        await self.close()

    async def pause(self, seconds):
        """Sleep, but no longer than until the bot is asked to stop."""
        try:
            await asyncio.wait_for(self.stop.wait(), seconds)
        except asyncio.TimeoutError:
            pass

    def ask_stop(self, why):
        log.info("%s: stopping", why)
        self.status = "stopping"
        self.stop.set()

    def claim(self):
        """Refuse to be the second bot here: the two would trade against each other."""
        self.pid_file = open(self.state / "bot.pid", "a")
        try:
            fcntl.flock(self.pid_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            give_up("another bot is at work in %s" % self.state.resolve().parent)
        self.pid_file.truncate(0)
        self.pid_file.write("%d\n" % os.getpid())
        self.pid_file.flush()

    async def open(self):
        try:
            self.api = await asyncio.start_server(self.answer, HOST, self.port, reuse_address=True)
        except OSError as error:
            give_up("cannot listen on port %d: %s; `ss -ltnp sport = :%d` shows who does, --port chooses "
                    "another" % (self.port, os.strerror(error.errno), self.port))
        await self.exchange.start()
        self.readers = [asyncio.ensure_future(account.stay_connected(self.exchange.port))
                        for account in self.accounts]
        self.status = "running"
        log.info("answering on http://localhost:%d/api/status", self.port)

    async def trade(self):
        """The loop that earns the money. All signs of life come from here."""
        next_beat = next_save = 0
        while not self.stop.is_set():
            await self.faults.strike(self.stop)
            for account in self.accounts:
                if account.writer and account.prices:
                    self.consider(account)
            self.ticks += 1
            self.last_update = datetime.now(timezone.utc)
            if time.monotonic() >= next_beat:
                (self.state / "heartbeat").touch()
                next_beat = time.monotonic() + HEARTBEAT_S
            if time.monotonic() >= next_save:
                self.save()
                next_save = time.monotonic() + SAVE_S
            await self.pause(TICK_S)

    def consider(self, account):
        if len(account.orders) < 3 and random.random() < 0.1:
            self.orders += 1
            account.place(self.orders)
        elif len(account.orders) == 3:
            account.send(op="cancel", id=min(account.orders))

    def load(self):
        try:
            saved = json.loads((self.state / "positions.json").read_text())
        except FileNotFoundError:
            return
        for account in self.accounts:
            account.position = saved.get(account.name, {})

    def save(self):
        """Replace the state as a whole: a crash leaves the old file or the new one, never half."""
        positions = {account.name: account.position for account in self.accounts}
        new = self.state / "positions.json.new"
        try:
            with open(new, "w") as file:
                json.dump(positions, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, self.state / "positions.json")
        except OSError as error:
            log.error("cannot save the positions: %s", error)

    async def close(self):
        cancelled = sum(len(account.orders) for account in self.accounts)
        for account in self.accounts:
            for number in list(account.orders):
                account.send(op="cancel", id=number)
        deadline = time.monotonic() + CANCEL_TIMEOUT_S
        while any(account.orders for account in self.accounts) and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        if self.faults.seconds("slow-stop"):
            log.warning("the exchange takes its time to confirm that all orders are gone")
            await asyncio.sleep(self.faults.seconds("slow-stop"))
        self.save()
        self.faults.good()
        self.pid_file.truncate(0)
        log.info("stopped: %d open orders cancelled, positions saved", cancelled)

    def describe(self):
        return {
            "status": self.status,
            "last_update": self.last_update and self.last_update.isoformat(timespec="microseconds"),
            "ticks": self.ticks,
            "orders": self.orders,
            "accounts": sum(account.writer is not None for account in self.accounts),
            "uptime_s": round(time.monotonic() - self.started, 3),
        }

    async def answer(self, reader, writer):
        """One HTTP request. It only reads: asking for the status is no sign of life."""
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), REQUEST_TIMEOUT_S)
            method, path = head.decode("latin-1").split()[:2]
            if path.split("?")[0] != "/api/status":
                code, body = HTTPStatus.NOT_FOUND, {"error": "there is only /api/status"}
            elif method != "GET":
                code, body = HTTPStatus.METHOD_NOT_ALLOWED, {"error": "only GET is understood"}
            elif await self.faults.spoils_answer():
                code, body = HTTPStatus.INTERNAL_SERVER_ERROR, {"status": "error"}
            else:
                code, body = HTTPStatus.OK, self.describe()
            text = json.dumps(body) + "\n"
            writer.write(("HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
                          "Connection: close\r\n\r\n%s" % (code, code.phrase, len(text), text)).encode())
            await writer.drain()
        except (asyncio.TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError,
                asyncio.CancelledError, ConnectionError, ValueError):
            pass  # not a request, nobody there any more to read the answer, or the bot ends
        finally:
            writer.close()


def give_up(why):
    log.critical(why)
    sys.exit(1)


def open_logs(root):
    """Everything to trading.log, errors also to the error log; both only ever appended to."""
    def add(handler, level):
        handler.setLevel(level)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logging.getLogger().addHandler(handler)

    errors = root / "logs" / "systemd_multi_error.log"
    errors.touch()
    logging.getLogger().setLevel(logging.INFO)
    add(logging.FileHandler(root / "logs" / "trading.log"), logging.INFO)
    if os.path.samestat(os.fstat(2), errors.stat()):  # a unit with StandardError=append: this file
        add(logging.StreamHandler(), logging.ERROR)
    else:
        add(logging.FileHandler(errors), logging.ERROR)
        add(logging.StreamHandler(), logging.CRITICAL)
    sys.excepthook = lambda *error: log.critical("unhandled exception", exc_info=error)


def main():
    parser = argparse.ArgumentParser(description="A small trading bot, to be guarded by albraguard.")
    parser.add_argument("--mode", choices=["multi"], default="multi")
    parser.add_argument("--root", type=Path, default=os.environ.get("ALBRAGUARD_EXAMPLE_ROOT", "."),
                        help="folder for logs/ and state/ (default: $ALBRAGUARD_EXAMPLE_ROOT or here)")
    parser.add_argument("--port", type=int, default=os.environ.get("ALBRAGUARD_EXAMPLE_PORT", "5000"),
                        help="port of the status page (default: $ALBRAGUARD_EXAMPLE_PORT or 5000)")
    parser.add_argument("--accounts", type=int, default=3, help="number of accounts (default: 3)")
    options = parser.parse_args()

    # The usual soft limit, also where a container grants a million: a leak shows in a minute.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024 if hard < 0 else min(1024, hard), hard))

    for folder in ("logs", "state"):
        (options.root / folder).mkdir(parents=True, exist_ok=True)
    open_logs(options.root)
    asyncio.run(Bot(options.root, options.port, options.accounts).run())


if __name__ == "__main__":
    main()
