# SPDX-License-Identifier: Apache-2.0
"""The live test rig: the real daemon over real processes, in a folder of its own, on a shortened clock.

    with Watch(bot()) as watch:                   or sham() for a service that does as it is told
        mark = watch.mark()
        watch.do("hang")
        watch.wait_event("restart-decided", since=mark, within=15)
        assert watch.acts(mark) == ["restart:consecutive-failures"]

Everything a Watch started is gone when it is closed, also services that outlived their watchdog; they are
known by the mark in their environment and signalled through a pidfd, so never a stranger.

BUILD names the build folder (default: build).
"""

import atexit
import contextlib
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
BUILD = (REPO / os.environ.get("BUILD", "build")).resolve()
GUARD = BUILD / "albraguard"
EXAMPLES = REPO / "examples"
PYTHON = os.environ.get("ALBRAGUARD_TEST_PYTHON", sys.executable)
SHAM = Path(__file__).resolve().parent / "sham.py"

# What takes minutes on a real machine takes seconds here.
WATCH = {"interval": "1s", "sample": "500ms", "failures": 3, "successes": 2, "grace": "2s",
         "cooldown": "5s", "max_restarts": 3, "per": "1m"}

# An act is what changes a service, a refusal that one was wanted, a hold that no more will follow.
ACTS = ("restart-decided", "restart-refused", "restart-failed", "held", "released", "oom-kill",
        "operator-stop")

# Refusals that a machine with other work to do may cause at any time; the act follows when it can.
WEATHER = ("refused:host-starved",)
WEATHER_S = 60

everything = set()


def now():
    """Seconds since boot: the clock that policy, the sham and these tests share."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what, within=10, why="waited in vain"):
    """Ask until the answer is true, and return it."""
    deadline = time.monotonic() + within
    while True:
        answer = what()
        if answer:
            return answer
        if time.monotonic() >= deadline:
            raise AssertionError("%s (%g s)" % (why() if callable(why) else why, within))
        time.sleep(0.02)


def is_alive(pid):
    try:
        return Path("/proc/%d/stat" % pid).read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def kill(pid, number):
    """Through a pidfd; False when it is gone already."""
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        signal.pidfd_send_signal(fd, number)
        return True
    except ProcessLookupError:
        return False
    finally:
        os.close(fd)


def busy_share(seconds=2):
    """Of all processors, as /proc/stat counts: user, nice, system, idle, iowait, irq, softirq, steal."""
    def read():
        row = [int(n) for n in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        return sum(row), row[3] + row[4]
    total, idle = read()
    time.sleep(seconds)
    total_then, idle_then = read()
    return 1 - (idle_then - idle) / max(1, total_then - total)


def private_kib(pid):
    """Memory of the process that nobody shares."""
    text = Path("/proc/%d/smaps_rollup" % pid).read_text()
    return sum(int(kib) for kib in re.findall(r"^Private_\w+:\s+(\d+) kB$", text, re.M))


def count_fds(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def when(event):
    """The event's own time, as time.time() counts."""
    return datetime.fromisoformat(event["time"].replace("Z", "+00:00")).timestamp()


def compile_shim(folder, source):
    """A library for LD_PRELOAD; returns its path."""
    (Path(folder) / "shim.c").write_text(source)
    subprocess.run(os.environ.get("CC", "cc").split() + [
        "-shared", "-fPIC", "-O1", "-o", "%s/shim.so" % folder, "%s/shim.c" % folder, "-ldl"], check=True)
    return "%s/shim.so" % folder


def is_about(event, service):
    return service is None or event["service"] == service


def act_of(event):
    """An event in a word: start:crash, restart:consecutive-failures, refused:cooldown, stop:memory-max."""
    reason = event["reason"]
    if event["kind"] == "restart-decided":
        return "%s:%s" % (reason["action"], reason["code"])
    if event["kind"] == "restart-refused":
        return "refused:" + reason["code"]
    if event["kind"] == "oom-kill":
        return "%s:%s" % (reason.get("action", "kernel"), reason["code"])
    return event["kind"]


def bot(name="albratrading-multi", **changes):
    """The example bot, guarded as examples/config.yaml.in has it, only faster."""
    def make(root):
        port = free_port()
        service = {
            "name": name,
            "command": [PYTHON, str(EXAMPLES / "bot" / "main_multi_account.py"), "--mode", "multi",
                        "--root", str(root), "--port", str(port)],
            "stop": {"signal": "TERM", "timeout": "3s"},
            "restart_delay": "1s",
            "start_limit": 32,
            "memory_max": "512M",
            "output": "logs/output.log",
            "api": {"url": "http://127.0.0.1:%d/api/status" % port, "timeout": "800ms",
                    "latency": {"warning": "200ms", "critical": "700ms"},
                    "fresh": {"field": "last_update", "max_age": "3s"}},
            "logs": {"files": ["logs/trading.log", "logs/systemd_multi_error.log"], "window": "6s"},
            "heartbeat": {"file": "state/heartbeat", "max_age": "4s"},
        }
        service.update(changes)
        return service
    return make


def sham(name="sham", page=True, **changes):
    """A service that does as it is told (sham.py)."""
    def make(root):
        folder = root / name
        folder.mkdir(exist_ok=True)
        port = free_port() if page else 0
        service = {
            "name": name,
            "command": ["/usr/bin/python3", "-S", "-E", str(SHAM), str(folder), str(port)],
            "stop": {"signal": "TERM", "timeout": "3s"},
            "restart_delay": "500ms",
            "start_limit": 32,
            "memory_max": "1G",
            "output": str(folder / "output"),
        }
        if page:
            service["api"] = {"url": "http://127.0.0.1:%d/health" % port, "timeout": "800ms",
                              "latency": {"warning": "400ms", "critical": "700ms"}}
        service.update(changes)
        return service
    return make


class Sham:
    """The other end of sham.py's folder."""

    def __init__(self, folder):
        self.folder = folder
        self.mode = {}

    def set(self, **mode):
        self.mode.update(mode)
        new = self.folder / "sham.json.new"
        new.write_text(json.dumps(self.mode))
        new.replace(self.folder / "sham.json")

    def lines(self, name):
        try:
            rows = (self.folder / name).read_text().splitlines()
        except FileNotFoundError:
            return []
        return [(float(row.split()[0]), row.split()[1:]) for row in rows]

    def lives(self, what):
        """Times and pids of `start`, `ready`, `term`, `exit`, `worker`, `DOUBLE`."""
        return [(at, int(words[1])) for at, words in self.lines("lives") if words[0] == what]

    def asked(self, since=0):
        return [at for at, _ in self.lines("asked") if at >= since]

    def check_never_two(self):
        assert not self.lives("DOUBLE"), "two copies of the service met"
        alive = set()
        for at, words in self.lines("lives"):
            if words[0] == "start":
                alive = {pid for pid in alive if is_alive(pid)}
                assert len(alive) == 0, "at %.3f %s was started beside %s" % (at, words[1], alive)
                alive.add(int(words[1]))
            elif words[0] == "exit":
                alive.discard(int(words[1]))


class Watch:
    """One `albraguard watch` with its services, its folder, and a follower that hears every event."""

    def __init__(self, *services, watch=None, start=True, root=None, env=None, prefix=(),
                 follow=True, **config):
        assert GUARD.exists(), "there is no %s: build first (make build), or set BUILD" % GUARD
        self.root = Path(root or tempfile.mkdtemp(prefix="albraguard-live-"))
        self.is_root_ours = root is None
        for folder in ("logs", "state"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        self.path = self.root / "config.yaml"
        self.asking_path = self.path  # which file the commands are given
        self.env = dict(os.environ, LC_ALL="C.UTF-8", **(env or {}))
        self.env.pop("JOURNAL_STREAM", None)
        self.env.pop("NOTIFY_SOCKET", None)
        self.prefix = list(prefix)
        self.has_follower = follow
        self.config = {
            "language": "en",
            "root": str(self.root),
            "state_dir": str(self.root / "guard" / "state"),
            "run_dir": str(self.root / "guard" / "run"),
            "watch": dict(WATCH, **(watch or {})),
            "serve": {"listen": "off"},
            "services": [service(self.root) if callable(service) else service
                         for service in services],
        }
        self.config.update(config)
        self.process = None
        self.follower = None
        self.events = []
        self.heard = threading.Condition()
        self.lines = []  # what the daemon said on standard error, with the time it was seen
        everything.add(self)
        self.write_config()
        if start:
            self.start()

    # Life.

    def write_config(self):
        """JSON is YAML."""
        self.path.write_text(json.dumps(self.config, indent=1) + "\n")

    def __enter__(self):
        return self

    def __exit__(self, kind, value, _):
        if kind and issubclass(kind, Exception):
            self.explain(value)
        self.close()

    def start(self, wait=True):
        self.process = subprocess.Popen(
            self.prefix + [str(GUARD), "watch", "--config", str(self.path)], env=self.env,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        threading.Thread(target=self._listen, args=(self.process.stderr,), daemon=True).start()
        if not wait:
            return
        wait_for(lambda: self.process.poll() is not None or
                 self.run("status", "--json").returncode in (0, 1), 15, "the daemon does not answer")
        assert self.process.poll() is None, "the daemon ended: " + self.said()
        if self.has_follower and (self.follower is None or self.follower.poll() is not None):
            self.follow()

    def _listen(self, stream):
        for line in stream:
            self.lines.append((time.time(), line.decode(errors="replace").rstrip("\n")))
        stream.close()

    def follow(self):
        self.follower = subprocess.Popen(
            [str(GUARD), "events", "-f", "--json", "-n", "10000", "--config", str(self.path)],
            env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)
        threading.Thread(target=self._hear, args=(self.follower.stdout,), daemon=True).start()

    def _hear(self, stream):
        for line in stream:
            event = json.loads(line)
            event["heard"] = time.time()
            with self.heard:
                if self.events and event["seq"] <= self.events[-1]["seq"]:
                    continue  # a new follower begins with what the old one told
                self.events.append(event)
                self.heard.notify_all()
        stream.close()

    def end(self, number=signal.SIGTERM, within=15):
        """End the daemon alone; embedded services live on."""
        self.process.send_signal(number)
        return self.process.wait(within)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def marked(self):
        """Every process that carries the mark of a service of this watch."""
        mark = b"ALBRAGUARD_SERVICE=" + os.fsencode(self.config["run_dir"]) + b"/"
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                with contextlib.suppress(OSError):
                    if mark in Path("/proc", entry, "environ").read_bytes() and is_alive(int(entry)):
                        found.append(int(entry))
        return found

    def close(self):
        if self not in everything:
            return
        everything.discard(self)
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.kill()
        if self.follower and self.follower.poll() is None:
            self.follower.kill()
        if self.follower:
            self.follower.wait()
        deadline = time.monotonic() + 5
        while True:
            left = self.marked()
            for pid in left:
                kill(pid, signal.SIGKILL)
            if not left or time.monotonic() > deadline:
                break
            time.sleep(0.02)
        if self.is_root_ours:
            shutil.rmtree(self.root, ignore_errors=True)

    def explain(self, error):
        """Puts what happened behind the message of a failed assertion."""
        tail = ["%7.3f %-16s %s" % (when(event) % 1000, event["kind"], event["text"])
                for event in self.events[-30:]]
        text = "\n".join(["events:"] + tail + ["said:"] + [line for _, line in self.lines[-20:]])
        error.args = ("%s\n%s" % (error.args[0] if error.args else "", text),) + error.args[1:]

    def said(self):
        return "\n".join(line for _, line in self.lines)

    # Asking.

    def run(self, *words, within=20):
        return subprocess.run([str(GUARD), words[0], "--config", str(self.asking_path), *words[1:]],
                              env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, universal_newlines=True, timeout=within)

    def ask(self, *words):
        """A command that must succeed; returns what it said."""
        done = self.run(*words)
        assert done.returncode == 0, "%s: %s%s" % (words, done.stdout, done.stderr)
        return done.stdout

    def status(self):
        done = self.run("status", "--json")
        assert done.returncode in (0, 1), done.stderr
        return json.loads(done.stdout)

    def service(self, name=None):
        services = self.status()["services"]
        return next(s for s in services if name is None or s["name"] == name)

    def check(self, kind, name=None):
        return next(c for c in self.service(name)["checks"] if c["name"] == kind)

    def pid(self, name=None):
        return self.service(name)["pid"]

    def pid_on_file(self, name):
        """Without asking the daemon; None when there is none."""
        try:
            text = (Path(self.config["run_dir"]) / (name + ".pid")).read_text()
        except FileNotFoundError:
            return None
        return int(re.search(r"^pid (\d+)$", text, re.M).group(1))

    def is_well(self, name=None):
        """Running, and every check that answers for it has been seen to do so."""
        service = self.service(name)
        level = {c["name"]: c["level"] for c in service["checks"]}
        return service["state"] == "running" and all(
            level.get(kind, "normal") == "normal" for kind in ("api", "heartbeat", "process"))

    def wait_well(self, name=None, within=20):
        wait_for(lambda: self.is_well(name), within, "the service did not become well")

    def wait_quiet_machine(self, within=120):
        """For what is about the machine's own levels: nobody else keeps them up."""
        wait_for(lambda: self.status()["host"]["cpu_level"] == "normal", within,
                 "the machine is busy with something else")

    def clerk(self):
        return self.status()["watchdog"]["clerk_pid"]

    def sham(self, name="sham"):
        (self.root / name).mkdir(exist_ok=True)
        return Sham(self.root / name)

    # Doing.

    def do(self, fault, *options):
        """examples/break."""
        done = subprocess.run([PYTHON, str(EXAMPLES / "break"), fault, *options,
                               "--root", str(self.root)], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, universal_newlines=True, timeout=20)
        assert done.returncode == 0, done.stdout

    # Events.

    def mark(self):
        """What happens from now on is `since` this. Whatever is on its way to the follower still counts."""
        with self.heard:
            return self.events[-1]["seq"] if self.events else 0

    def since(self, mark=0, kind=None, service=None, where=None):
        kinds = (kind,) if isinstance(kind, str) else kind
        with self.heard:
            return [e for e in self.events
                    if e["seq"] > mark and (kinds is None or e["kind"] in kinds) and
                    is_about(e, service) and (where is None or where(e))]

    def wait_event(self, kind, since=0, within=10, service=None, where=None):
        deadline = time.monotonic() + within
        while True:
            found = self.since(since, kind, service, where)
            if found:
                return found[0]
            with self.heard:
                self.heard.wait(0.05)
            assert time.monotonic() < deadline, "no event %s within %g s" % (kind, within)

    def assert_no_event(self, kind, since=None, during=0, service=None, where=None):
        """None of these so far, and none during the seconds to come."""
        since = self.mark() if since is None else since
        deadline = time.monotonic() + during
        while True:
            found = self.since(since, kind, service, where)
            assert not found, "this should not have happened: %s" % found[0]
            if time.monotonic() >= deadline:
                return
            time.sleep(0.05)

    def acts(self, mark=0, service=None):
        """What was done, wanted or given up since, in words."""
        return [act for act in map(act_of, self.since(mark, ACTS, service)) if act not in WEATHER]

    def had_weather(self, mark):
        """The machine was too busy with other things for an act to be just; it comes later then."""
        return any(act_of(event) in WEATHER for event in self.since(mark, ACTS))

    def wait_acts(self, expected, mark, within, calm=0, service=None):
        """Exactly these acts, in this order, within so many seconds, and no other while it stays calm."""
        began = time.monotonic()
        while self.acts(mark, service) != expected:
            seen = self.acts(mark, service)
            assert seen == expected[:len(seen)], "expected %s, seen %s" % (expected, seen)
            waited = time.monotonic() - began
            if waited >= within:
                assert self.had_weather(mark), "expected %s within %g s, seen %s" % (
                    expected, within, seen)
            if waited >= within + WEATHER_S:
                assert busy_share() > 0.8, "the machine is not short of anything"
                pytest.skip("the machine has been busy with other work for %g s, and no restart is "
                            "made then" % waited)
            time.sleep(0.02)
        self.stay_calm(expected, mark, calm, service)

    def stay_calm(self, expected, mark, seconds, service=None):
        deadline = time.monotonic() + seconds
        while True:
            seen = self.acts(mark, service)
            assert seen == expected, "expected %s and no more, seen %s" % (expected, seen)
            if time.monotonic() >= deadline:
                return
            time.sleep(0.05)

    def check_events(self):
        """What the follower heard has numbers without gap or repetition."""
        with self.heard:
            numbers = [event["seq"] for event in self.events]
        assert numbers == list(range(1, len(numbers) + 1)), numbers


def close_everything():
    for watch in list(everything):
        watch.close()


atexit.register(close_everything)


# The board of traps.

board = {}


class Trap:
    """One line of the board; `happened` is filled in as far as the test gets."""

    def __init__(self, number, title, expected):
        self.number = number
        self.title = title
        self.expected = expected
        self.happened = ""
        self.has_passed = False
        board.setdefault(number, []).append(self)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, _):
        self.has_passed = kind is None
        if kind:
            first = (str(value).splitlines() or [kind.__name__])[0]
            self.happened = (self.happened + "; " if self.happened else "") + first[:160]

    def saw(self, text):
        self.happened = (self.happened + "; " if self.happened else "") + text


def render_board():
    lines = []
    for number in sorted(board):
        for trap in board[number]:
            lines.append("%2d  %-6s %s\n           expected: %s\n           happened: %s" % (
                number, "passed" if trap.has_passed else "FAILED", trap.title, trap.expected,
                trap.happened or "as expected"))
    return "\n".join(lines) + "\n"


# Figures that a person wants to see at the end of a run.

figures = []


def tell(text):
    figures.append(text)


def spread(values):
    """min / median / 95th / max, of at least one value."""
    row = sorted(values)
    return row[0], row[len(row) // 2], row[min(len(row) - 1, int(len(row) * 0.95))], row[-1]


def poll_readable(fd, within):
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    return bool(poller.poll(within * 1000))
