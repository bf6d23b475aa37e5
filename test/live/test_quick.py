# SPDX-License-Identifier: Apache-2.0
"""Whether it works at all, in seconds: part of `make test`."""

import json
import os
import signal
import subprocess
import tempfile
import time

import pytest
from rig import GUARD, Watch, bot, is_alive, kill, now, sham, wait_for, when

pytestmark = [pytest.mark.quick, pytest.mark.beside]


def test_a_bot_is_started_watched_restarted_and_stopped():
    with Watch(bot()) as watch:
        watch.wait_well()
        watch.wait_event("service-up", within=10)
        assert watch.acts() == ["start:first-start"]
        status = watch.status()
        service = status["services"][0]
        assert (service["state"], service["level"]) == ("running", "normal")
        assert {c["name"] for c in service["checks"]} >= {
            "service", "process", "api", "logs", "heartbeat", "memory", "descriptors", "connections"}
        assert status["watchdog"]["pid"] == watch.process.pid
        assert service["memory_bytes"] > 1 << 20 and service["fds"] > 3

        mark = watch.mark()
        watch.do("crash")
        watch.wait_event("restart-done", since=mark, within=8)
        assert "exit status 1" in watch.ask("explain")
        watch.wait_event("service-up", since=mark, within=15)
        assert watch.acts(mark) == ["start:crash"]
        assert "exit status 1" in watch.since(mark, "service-down")[0]["text"]

        mark = watch.mark()
        pid = watch.pid()
        watch.ask("stop")
        wait_for(lambda: watch.service()["state"] == "stopped")
        assert not is_alive(pid)
        # It had an episode before; stopped by a person it stays so, without a word of alarm.
        watch.stay_calm(["operator-stop"], mark, 3)
        assert watch.service()["level"] == "normal" and watch.service()["operator_stopped"]
        watch.ask("start")
        wait_for(lambda: watch.service()["state"] == "running")
        assert watch.acts(mark) == ["operator-stop", "start:operator"]

        told = [json.loads(line) for line in watch.ask("events", "--json").splitlines()]
        assert [e["seq"] for e in told] == list(range(1, len(told) + 1))
        log = (watch.root / "logs" / "watchdog" / "watchdog.log").read_text()
        assert "service-down" in log and "operator-stop" in log
        watch.check_events()


def test_sigterm_leaves_the_service_and_the_next_watch_takes_it_over():
    with Watch(sham()) as watch:
        watch.wait_well()
        pid = watch.pid()
        assert watch.end() == 0
        assert is_alive(pid), "an update of the watchdog costs no restart"
        assert watch.run("status").returncode == 3, "and nobody answers meanwhile"
        mark = watch.mark()
        watch.start()
        watch.wait_well()
        assert watch.pid() == pid and watch.acts(mark) == []

        # One that dies under the second watch, which is not its parent, is seen as early.
        mark = watch.mark()
        died = time.time()
        kill(pid, signal.SIGKILL)
        event = watch.wait_event("service-down", since=mark, within=3)
        assert when(event) - died < 0.5
        watch.wait_acts(["start:crash"], mark, 5)

        assert watch.end(signal.SIGINT) == 0, "Ctrl-C"
        wait_for(lambda: not watch.marked(), 5, "Ctrl-C ends the services, too")
        watch.sham().check_never_two()


def test_a_wrong_configuration_is_refused_with_its_place():
    with Watch(sham(), start=False) as watch:
        watch.path.write_text(watch.path.read_text().replace('"failures": 3', '"failurs": 3'))
        done = watch.run("watch", "-n")
        line = next(n for n, text in enumerate(watch.path.read_text().splitlines(), 1)
                    if "failurs" in text)
        assert done.returncode == 2
        assert "config.yaml:%d:" % line in done.stderr and "failures" in done.stderr, done.stderr


def test_run_guards_a_command_without_configuration():
    with tempfile.TemporaryDirectory(prefix="albraguard-live-") as root:
        folders = dict(os.environ, XDG_RUNTIME_DIR=root + "/r", XDG_STATE_HOME=root + "/s")
        os.mkdir(root + "/r", 0o700)
        os.mkdir(root + "/s", 0o700)
        began = now()
        done = subprocess.run([str(GUARD), "run", "--name", "brief", "--", "/bin/sleep", "1"],
                              env=folders, cwd=root, stdin=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, universal_newlines=True, timeout=20)
        assert done.returncode == 0 and 0.9 < now() - began < 5, done.stderr
        assert "brief" in done.stderr and "left alone" in done.stderr, done.stderr
