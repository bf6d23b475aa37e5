# SPDX-License-Identifier: Apache-2.0
"""Each fault of examples/break does to the example bot what it says, seen from outside.

ALBRAGUARD_TEST_PYTHON names the interpreter for the bot and for break (default: the one of pytest).
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import datetime, timezone
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PYTHON = os.environ.get("ALBRAGUARD_TEST_PYTHON", sys.executable)
PATIENCE_S = 15


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what, seconds=PATIENCE_S):
    """Ask until the answer is true, and return it."""
    deadline = time.monotonic() + seconds
    while True:
        answer = what()
        if answer:
            return answer
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def is_alive(pid):
    try:
        return bool(Path("/proc/%d/cmdline" % pid).read_bytes())  # a zombie's is empty
    except OSError:
        return False


class Bot:
    def __init__(self, root):
        self.root = root
        self.port = free_port()
        self.process = None

    def start(self, wait=True):
        self.process = subprocess.Popen(
            [PYTHON, str(EXAMPLES / "bot" / "main_multi_account.py"), "--mode", "multi",
             "--root", str(self.root), "--port", str(self.port)], stderr=subprocess.DEVNULL)
        if wait:
            wait_for(lambda: self.answers())

    def end(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def get(self, timeout=3):
        url = "http://127.0.0.1:%d/api/status" % self.port
        try:
            with urllib.request.urlopen(url, timeout=timeout) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def answers(self, timeout=1.0):
        try:
            return self.get(timeout)[0] == 200 and self.get(timeout)[1]["ticks"] > 0
        except OSError:  # includes a timeout and a refused connection
            return False

    def log(self, name="trading.log"):
        return (self.root / "logs" / name).read_text()

    def proc(self, key):
        for line in Path("/proc/%d/status" % self.process.pid).read_text().splitlines():
            if line.startswith(key + ":"):
                return line.split()[1]

    def cpu_s(self):
        fields = Path("/proc/%d/stat" % self.process.pid).read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def load(self, seconds=1.0):
        before = self.cpu_s()
        time.sleep(seconds)
        return (self.cpu_s() - before) / seconds

    def fds(self):
        return len(os.listdir("/proc/%d/fd" % self.process.pid))

    def children(self):
        path = "/proc/%d/task/%d/children" % (self.process.pid, self.process.pid)
        return [int(pid) for pid in Path(path).read_text().split()]

    def ticks_grow(self):
        before = self.get()[1]["ticks"]
        return wait_for(lambda: self.get()[1]["ticks"] > before)

    def peers(self, state):
        """Remote addresses of the bot's sockets in that state (08: CLOSE_WAIT)."""
        own = set()
        for fd in os.listdir("/proc/%d/fd" % self.process.pid):
            try:
                own.add(os.readlink("/proc/%d/fd/%s" % (self.process.pid, fd)))
            except FileNotFoundError:
                pass
        rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return [row[2] for row in rows if row[3] == state and "socket:[%s]" % row[9] in own]


def run_break(bot, *arguments):
    done = subprocess.run([PYTHON, str(EXAMPLES / "break"), *arguments, "--root", str(bot.root)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    return done.returncode, done.stdout, done.stderr


def do(bot, *arguments):
    code, out, err = run_break(bot, *arguments)
    assert code == 0, err
    assert "albraguard should notice" in out


@pytest.fixture
def bot(tmp_path):
    bot = Bot(tmp_path)
    bot.start()
    yield bot
    bot.end()


# The bot itself.


def test_a_healthy_bot_shows_work_and_stops_gracefully(bot):
    code, status = bot.get()
    assert code == 200 and status["status"] == "running" and status["accounts"] == 3
    assert status["uptime_s"] > 0 and "orders" in status
    moment = datetime.strptime(status["last_update"], "%Y-%m-%dT%H:%M:%S.%f%z")
    assert abs((datetime.now(timezone.utc) - moment).total_seconds()) < 5
    bot.ticks_grow()
    beat = bot.root / "state" / "heartbeat"
    first = beat.stat().st_mtime_ns
    wait_for(lambda: beat.stat().st_mtime_ns > first)
    assert len(bot.peers("01")) >= 3  # connections to the exchange

    with socket.create_connection(("127.0.0.1", bot.port)):  # a request that never comes
        bot.answers()
        bot.process.send_signal(signal.SIGTERM)
        assert bot.process.wait(PATIENCE_S) == 0
    assert "SIGTERM: stopping" in bot.log() and "positions saved" in bot.log()
    assert "Traceback" not in bot.log() and "ERROR" not in bot.log()
    assert "account-1" in json.loads((bot.root / "state" / "positions.json").read_text())


def test_positions_outlive_the_process(bot):
    bot.process.send_signal(signal.SIGINT)
    assert bot.process.wait(PATIENCE_S) == 0
    saved = bot.root / "state" / "positions.json"
    saved.write_text('{"account-2": {"KEPT": 0.5}}')
    bot.start()
    bot.process.send_signal(signal.SIGTERM)
    assert bot.process.wait(PATIENCE_S) == 0
    assert json.loads(saved.read_text())["account-2"]["KEPT"] == 0.5


def test_a_taken_port_and_a_second_bot_are_refused_clearly(bot, tmp_path):
    for root, port, words in ((tmp_path / "other", bot.port, "cannot listen on port %d" % bot.port),
                              (bot.root, free_port(), "another bot is at work in")):
        done = subprocess.run([PYTHON, str(EXAMPLES / "bot" / "main_multi_account.py"),
                               "--root", str(root), "--port", str(port)], stderr=subprocess.PIPE,
                              universal_newlines=True, timeout=PATIENCE_S)
        assert done.returncode == 1 and words in done.stderr
    assert bot.answers()


# Faults that end the bot.


@pytest.mark.parametrize("fault, code, words", [
    ("crash", 1, "RuntimeError: the position book"),
    ("exit0", 0, "nothing left to trade: stopping"),
    ("segv", -signal.SIGSEGV, ""),
])
def test_the_bot_ends(bot, fault, code, words):
    do(bot, fault)
    assert bot.process.wait(PATIENCE_S) == code
    assert words in bot.log()
    assert ("Traceback" in bot.log("systemd_multi_error.log")) == (fault == "crash")
    bot.start()  # and is not broken for the next run
    bot.ticks_grow()


def test_crash_loop_lasts_until_good(bot):
    do(bot, "crash-loop", "--seconds", "1")
    assert bot.process.wait(PATIENCE_S) == 1
    bot.start(wait=False)
    assert bot.process.wait(PATIENCE_S) == 1
    do(bot, "good")
    bot.start()
    time.sleep(1.5)
    assert bot.process.poll() is None


# Faults that stop the work.


@pytest.mark.parametrize("fault, busy", [
    ("hang", False), ("deadlock", False), ("spin", True), ("gil", True), ("freeze", False),
])
def test_the_loop_stands_still(bot, fault, busy):
    do(bot, fault)
    wait_for(lambda: not bot.answers(0.5))
    beat = (bot.root / "state" / "heartbeat").stat().st_mtime_ns
    load = bot.load()
    assert load > 0.3 if busy else load < 0.1
    assert (bot.proc("State") == "T") == (fault == "freeze")
    time.sleep(0.5)
    assert (bot.root / "state" / "heartbeat").stat().st_mtime_ns == beat
    if fault == "hang":  # a bot in this state does not hear SIGTERM either
        bot.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert bot.process.poll() is None
        return
    do(bot, "good")
    wait_for(bot.answers)
    bot.ticks_grow()


def test_good_ends_a_hang(bot):
    do(bot, "hang")
    wait_for(lambda: not bot.answers(0.5))
    do(bot, "good")
    wait_for(bot.answers)
    bot.ticks_grow()


def test_stale_answers_200_and_does_nothing(bot):
    do(bot, "stale")
    time.sleep(0.6)
    before = bot.get()
    beat = (bot.root / "state" / "heartbeat").stat().st_mtime_ns
    time.sleep(1.3)
    after = bot.get()
    assert after[0] == 200 and after[1]["uptime_s"] > before[1]["uptime_s"]
    assert (after[1]["last_update"], after[1]["ticks"]) == (before[1]["last_update"], before[1]["ticks"])
    assert (bot.root / "state" / "heartbeat").stat().st_mtime_ns == beat
    do(bot, "good")
    bot.ticks_grow()
    do(bot, "stale")
    time.sleep(0.6)
    bot.process.send_signal(signal.SIGTERM)
    assert bot.process.wait(PATIENCE_S) == 0


# Faults of the status page.


def test_slow_api(bot):
    do(bot, "slow-api", "--seconds", "1.5")
    asked = time.monotonic()
    assert bot.get(5)[0] == 200 and time.monotonic() - asked >= 1.5
    do(bot, "good")
    asked = time.monotonic()
    assert bot.get(5)[0] == 200 and time.monotonic() - asked < 1.5


def test_api_500_while_trading_goes_on(bot):
    do(bot, "api-500")
    assert bot.get()[0] == 500
    beat = (bot.root / "state" / "heartbeat").stat().st_mtime_ns
    wait_for(lambda: (bot.root / "state" / "heartbeat").stat().st_mtime_ns > beat)
    do(bot, "good")
    assert bot.get()[0] == 200


def test_flap(bot):
    do(bot, "flap", "--seconds", "0.5")
    for code in (500, 200, 500, 200):
        wait_for(lambda: bot.get()[0] == code)


# Faults told in the log.


def test_error_burst_and_traceback(bot):
    do(bot, "error-burst", "--lines", "50")
    wait_for(lambda: bot.log().count(" ERROR trading: Connection lost") == 50)
    do(bot, "traceback")
    wait_for(lambda: "Traceback (most recent call last)" in bot.log())
    assert bot.log("systemd_multi_error.log").count("\n") > 50
    bot.ticks_grow()


def test_log_flood(bot):
    do(bot, "log-flood", "--lines-per-s", "2000")
    wait_for(lambda: len(bot.log()) > 200000)
    do(bot, "good")
    size = len(bot.log())
    time.sleep(1)
    assert len(bot.log()) - size < 20000
    bot.ticks_grow()


# Faults that use things up.


def test_leak_memory(bot):
    before = int(bot.proc("VmRSS"))
    do(bot, "leak-memory", "--mb-per-s", "50")
    wait_for(lambda: int(bot.proc("VmRSS")) > before + 60000)
    do(bot, "good")
    wait_for(lambda: int(bot.proc("VmRSS")) < before + 20000)


def test_leak_memory_stops_at_its_ceiling(bot):
    before = int(bot.proc("VmRSS"))
    do(bot, "leak-memory", "--mb-per-s", "50", "--max-mb", "20")
    time.sleep(1.5)
    assert int(bot.proc("VmRSS")) < before + 40000


def test_leak_fd(bot):
    before = bot.fds()
    do(bot, "leak-fd", "--per-s", "500")
    wait_for(lambda: bot.fds() > 0.94 * 1024)
    time.sleep(0.5)
    assert bot.answers(), "the last descriptors are left to the bot"
    do(bot, "good")
    wait_for(lambda: bot.fds() <= before + 2)


def test_leak_connections(bot):
    do(bot, "leak-connections", "--per-s", "100")
    wait_for(lambda: len(bot.peers("08")) > 50)
    assert len(set(bot.peers("08"))) == 1, "all to one peer"
    do(bot, "good")
    wait_for(lambda: not bot.peers("08"))


def test_cpu_burns_while_the_bot_works(bot):
    do(bot, "cpu", "--threads", "1")
    assert bot.load() > 0.3
    bot.ticks_grow()
    do(bot, "good")
    wait_for(lambda: bot.load(0.5) < 0.2)


def test_fork_workers(bot):
    do(bot, "fork-workers")
    wait_for(lambda: "was killed" in bot.log())
    assert len(bot.children()) == 2
    bot.ticks_grow()
    worker = bot.children()[0]
    os.kill(worker, signal.SIGTERM)  # a worker's signal is not the bot's
    wait_for(lambda: not is_alive(worker))
    bot.ticks_grow()
    assert "stopping" not in bot.log()
    do(bot, "good")
    assert bot.children() == []


def test_workers_do_not_outlive_a_killed_bot(bot):
    do(bot, "fork-workers")
    wait_for(lambda: "was killed" in bot.log())
    workers = bot.children()
    bot.end()
    bot.start()  # neither port nor lock is held by a worker
    wait_for(lambda: not any(is_alive(pid) for pid in workers))


# Starting and stopping.


def test_slow_stop(bot):
    do(bot, "slow-stop", "--seconds", "2")
    asked = time.monotonic()
    bot.process.send_signal(signal.SIGTERM)
    assert bot.process.wait(PATIENCE_S) == 0
    assert time.monotonic() - asked >= 2


def test_slow_start_lasts_until_good(bot):
    do(bot, "slow-start", "--seconds", "2")
    assert bot.answers(), "this run goes on"
    bot.end()
    for _ in range(2):
        asked = time.monotonic()
        bot.start()
        assert time.monotonic() - asked >= 2
        bot.end()
    bot.start(wait=False)
    wait_for(lambda: (bot.root / "state" / "bot.pid").read_text() == "%d\n" % bot.process.pid)
    bot.process.send_signal(signal.SIGTERM)  # heard also while starting
    assert bot.process.wait(PATIENCE_S) == 0
    do(bot, "good")
    asked = time.monotonic()
    bot.start()
    assert time.monotonic() - asked < 2


# The command.


def test_break_lists_all_faults():
    done = subprocess.run([str(EXAMPLES / "break")], stdout=subprocess.PIPE, universal_newlines=True)
    assert done.returncode == 0
    for name in ("crash", "hang", "leak-connections", "good"):
        assert "\n  %s " % name in done.stdout


def test_break_names_the_nearest_fault_and_refuses_nonsense(bot):
    code, _, err = run_break(bot, "leek-memory")
    assert code == 2 and "`leak-memory`" in err
    assert run_break(bot, "hang", "--seconds", "1")[0] == 2
    assert run_break(bot, "slow-api", "--seconds", "-1")[0] == 2
    assert bot.answers()


def test_break_needs_a_running_bot(bot):
    bot.end()
    assert run_break(bot, "hang")[0] == 1
    assert run_break(bot, "good")[0] == 0


def test_break_leaves_a_reused_pid_alone(bot):
    bot.end()
    with subprocess.Popen(["sleep", "60"]) as stranger:
        (bot.root / "state" / "bot.pid").write_text("%d\n" % stranger.pid)
        code, _, err = run_break(bot, "freeze")
        state = Path("/proc/%d/stat" % stranger.pid).read_text().rsplit(")", 1)[1].split()[0]
        stranger.kill()
    assert code == 1 and "No bot is running" in err and state == "S"
