# SPDX-License-Identifier: Apache-2.0
"""Traps: situations that have broken other supervisors. The right act at the right time, and no other act.

Hours are seconds here. What was expected and what happened is shown as a board at the end, which is also
written to BUILD/trap-board.txt.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
import rig
from rig import (Trap, Watch, compile_shim, is_alive, kill, now, private_kib, sham, wait_for, when)

beside = pytest.mark.beside
alone = pytest.mark.beside(load=3)

RESTART = "restart:consecutive-failures"
HERE = Path(__file__).resolve().parent


@contextlib.contextmanager
def guarded(*services, **options):
    """A watch over a sham that is through its grace and told to be up."""
    with Watch(*(services or (sham(),)), **options) as watch:
        watch.wait_well()
        watch.wait_event("service-up", within=15)
        assert watch.acts() == ["start:first-start"]
        yield watch, watch.sham()


def with_api(**changes):
    """A sham whose page is looked at in other ways."""
    def make(root):
        service = sham()(root)
        service["api"].update(changes)
        return service
    return make


def gaps(times):
    return [after - before for before, after in zip(times, times[1:])]


def check_on_time(patient, since, most=2.2):
    """The page is asked every second, whatever else goes on."""
    asked = patient.asked(since)
    widest = max(gaps([since] + asked + [now()]))
    assert widest <= most, "nobody asked for %.1f s" % widest
    return widest


def inside(function, *unshare):
    """Runs a function of this file in namespaces of its own; returns what it printed."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("needs root and unshare(1)")
    if subprocess.run(["unshare", *unshare, "true"], stderr=subprocess.DEVNULL).returncode != 0:
        pytest.skip("unshare %s is not permitted here" % " ".join(unshare))
    code = "import sys; sys.path.insert(0, %r); import test_traps; test_traps.%s()" % (str(HERE), function)
    done = subprocess.run(["unshare", *unshare, sys.executable, "-c", code],
                          env=dict(os.environ, BUILD=str(rig.BUILD)), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
                          timeout=180)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip()


@beside
def test_trap_1_back_and_already_over_its_memory():
    with Trap(1, "the service comes back already over its memory limit",
              "stopped again without first being seen healthy, until the budget is spent") as trap, \
            guarded(sham(memory_max="60M"), watch={"per": "10m"}) as (watch, patient):
        mark = watch.mark()
        patient.set(memory_mb=90)
        acts = ["stop:memory-max", "start:crash"] * 3 + ["stop:memory-max", "held"]
        watch.wait_acts(acts, mark, 30, calm=4)
        watch.assert_no_event("service-up", mark)
        lives = gaps([at for at, _ in patient.lives("start")[1:]])
        trap.saw("stopped 4 times, %.1f s apart, never called up, then held" % max(lives))
        assert max(lives) < 4 and watch.service()["restarts"]["used"] == 3


@beside
def test_trap_2_dies_again_and_again():
    with Trap(2, "the service dies all the time",
              "three restarts, one hold told once, the watch goes on") as trap, \
            guarded(watch={"per": "1h"}) as (watch, patient):
        mark = watch.mark()
        patient.set(live_s=1)
        acts = ["start:crash"] * 3 + ["held"]
        watch.wait_acts(acts, mark, 20, calm=15)
        service = watch.service()
        assert service["state"] == "held" and service["checks"][0]["age_s"] <= 2
        assert len(patient.lives("start")) == 4
        trap.saw("restarted %d times, %d hold in %d s, checks go on" % (
            service["restarts"]["used"], len(watch.since(mark, "held")), 15))


@beside
def test_trap_3_answers_200_and_does_not_work():
    with Trap(3, "the page answers 200 while the counter is frozen", "judged hung, restarted") as trap, \
            guarded(with_api(fresh={"field": "last_update", "max_age": "3s"})) as (watch, patient):
        mark = watch.mark()
        patient.set(is_frozen=True)
        failed = watch.wait_event("check-failed", since=mark, within=8)
        assert failed["reason"]["code"] == "stale-body", failed
        watch.wait_acts([RESTART], mark, 8)
        patient.set(is_frozen=False)
        watch.wait_event("service-up", since=mark, within=10)
        watch.stay_calm([RESTART], mark, 3)
        trap.saw("%s, then one restart" % failed["reason"]["code"])


@alone
def test_trap_4_slow_because_the_machine_is_starved():
    with Trap(4, "the page is slow while others take all of the processors",
              "no restart, and the reason is said") as trap, guarded() as (watch, patient):
        burners = [subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"])
                   for _ in range(4 * os.cpu_count())]
        try:
            wait_for(lambda: watch.status()["host"]["cpu_percent"] >= 95, 10)
            mark = watch.mark()
            patient.set(is_deaf=True)
            refused = watch.wait_event("restart-refused", since=mark, within=20)
            assert refused["reason"]["code"] == "host-starved", refused
            watch.assert_no_event(("restart-decided", "held"), mark, during=8)
            assert len(watch.since(mark, "restart-refused")) == 1, "said once"
            assert watch.service()["refusal"] == "host-starved"
            patient.set(is_deaf=False)
            watch.wait_event("check-recovered", since=mark, within=15)
        finally:
            for burner in burners:
                burner.kill()
                burner.wait()
        watch.assert_no_event("restart-decided", mark, during=3)
        trap.saw(refused["text"].split(". What")[0])


@beside
def test_trap_5_stopped_by_its_operator():
    with Trap(5, "the operator stops the service",
              "no alarm, no resurrection, not even by the next watch; one reminder") as trap, \
            guarded(watch={"remind": "8s"}) as (watch, patient):
        mark = watch.mark()
        watch.ask("stop")
        watch.wait_acts(["operator-stop"], mark, 3, calm=3)
        watch.kill()
        watch.start()
        watch.stay_calm(["operator-stop"], mark, 3)
        reminder = watch.wait_event("reminder", since=mark, within=10)
        watch.assert_no_event(("service-down", "check-failed", "level-changed"), mark, during=4,
                              service="sham")
        assert len(watch.since(mark, "reminder")) == 1 and len(patient.lives("start")) == 1
        trap.saw("stopped and left, one reminder after %.0f s" % (
            when(reminder) - when(watch.since(mark, "operator-stop")[0])))


@beside
def test_trap_6_the_watchdog_is_killed_during_an_incident():
    with Trap(6, "the watchdog is killed (-9) while an alert is open",
              "no duplicate, the recovery is told, the budget is kept") as trap, \
            guarded(with_api(restart="no"), watch={"per": "10m"}) as (watch, patient):
        mark = watch.mark()
        kill(watch.pid(), signal.SIGKILL)
        watch.wait_event("service-up", since=mark, within=10)
        mark = watch.mark()
        patient.set(status=500)
        watch.wait_event("check-failed", since=mark, within=5)
        watch.wait_event("level-changed", since=mark, within=6, service="sham")  # it goes on
        before = watch.service()["restarts"]
        for _ in range(3):
            watch.kill()
            watch.start()
            time.sleep(2.5)
        again = watch.since(mark, ("check-failed", "level-changed"), "sham")
        assert len(again) == 2, [e["text"] for e in again]
        patient.set(status=200)
        watch.wait_event("check-recovered", since=mark, within=8)
        after = watch.service()["restarts"]
        assert before["used"] == after["used"] == 1
        watch.stay_calm([], mark, 1)
        watch.check_events()
        trap.saw("killed 3 times: one alert, one recovery, %d restart still in the budget" % after["used"])


@beside
def test_trap_7_it_began_while_the_watchdog_was_down():
    with Trap(7, "a condition began while the watchdog was down",
              "told by the next watch, and acted upon") as trap, \
            guarded(with_api(restart="no")) as (watch, patient):
        mark = watch.mark()
        watch.end()
        patient.set(status=500)
        time.sleep(1)
        watch.start()
        failed = watch.wait_event("check-failed", since=mark, within=6)
        assert failed["reason"]["code"] == "http-status"
        patient.set(status=200)
        watch.wait_event("check-recovered", since=mark, within=8)

        mark = watch.mark()
        pid = watch.pid()
        watch.end()
        kill(pid, signal.SIGKILL)
        wait_for(lambda: not is_alive(pid))
        watch.start()
        down = watch.wait_event("service-down", since=mark, within=3)
        watch.wait_acts(["start:crash"], mark, 5)
        watch.wait_event("service-up", since=mark, within=10)
        assert len(watch.since(mark, "service-down")) == 1
        trap.saw("the failing page and the death were both told: %s" % down["text"])


STRANGER = """
for s in HUP INT QUIT USR1 USR2 TERM CONT; do trap "echo $s >> $0" $s; done
while :; do sleep 0.05; done
"""


def check_stranger(watch, stranger, heard):
    """The pid file names this process; it must be none of the daemon's business."""
    watch.start()
    watch.wait_well()
    assert watch.pid() != stranger.pid
    mark = watch.mark()
    watch.ask("restart")
    watch.wait_event("restart-done", since=mark, within=10)
    watch.ask("stop")
    wait_for(lambda: not watch.marked(), 10)
    assert stranger.poll() is None, "the stranger was killed"
    assert not heard.exists(), "the stranger got %s" % heard.read_text()


@beside
def test_trap_9_a_pid_file_that_names_a_stranger():
    with Trap(9, "the pid file names a process that is not the service", "it receives no signal") as trap, \
            guarded() as (watch, patient):
        pid = watch.pid()
        watch.kill()
        kill(pid, signal.SIGKILL)
        wait_for(lambda: not is_alive(pid))
        heard = watch.root / "heard"
        with subprocess.Popen(["sh", "-c", STRANGER, str(heard)], start_new_session=True) as stranger:
            try:
                file = Path(watch.config["run_dir"]) / "sham.pid"
                file.write_text(file.read_text().replace("pid %d\n" % pid, "pid %d\n" % stranger.pid))
                check_stranger(watch, stranger, heard)
            finally:
                stranger.kill()
        trap.saw("started, restarted and stopped beside it; it heard nothing")


def reuse_a_pid():
    """As the first process of a pid namespace of its own."""
    with guarded() as (watch, _):
        pid = watch.pid()
        watch.kill()
        kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)  # orphans are ours here
        heard = watch.root / "heard"
        for _ in range(100):
            Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
            stranger = subprocess.Popen(["sh", "-c", STRANGER, str(heard)], start_new_session=True)
            if stranger.pid == pid:
                break
            stranger.kill()
            stranger.wait()
        assert stranger.pid == pid, "the number was not given out again"
        check_stranger(watch, stranger, heard)
        stranger.kill()
        stranger.wait()
    print("pid %d was a stranger's now; it heard nothing" % pid)


@beside
def test_trap_9_a_pid_is_used_again():
    with Trap(9, "the pid is really used again, by another process", "it receives no signal") as trap:
        trap.saw(inside("reuse_a_pid", "--pid", "--fork", "--mount-proc"))


@beside
def test_trap_10_stopping_takes_long():
    with Trap(10, "stopping takes long", "no start before the old process is gone") as trap, \
            guarded(sham(stop={"signal": "TERM", "timeout": "8s"})) as (watch, patient):
        patient.set(stop_s=4)
        time.sleep(0.3)
        mark = watch.mark()
        watch.ask("restart")
        done = watch.wait_event("restart-done", since=mark, within=10)
        wait_for(lambda: len(patient.lives("start")) == 2)
        patient.check_never_two()
        waited = patient.lives("start")[1][0] - patient.lives("term")[0][0]
        late = patient.lives("start")[1][0] - patient.lives("exit")[0][0]
        assert 4 <= waited < 6 and late >= 0 and "killed" not in done["text"]
        watch.stay_calm(["restart:operator"], mark, 2)
        trap.saw("started %.1f s after SIGTERM, %.0f ms after the end" % (waited, late * 1000))


@beside
def test_trap_11_two_rules_in_one_tick():
    def both(root):
        service = sham(memory_max="80M")(root)
        service["heartbeat"] = {"file": str(root / "sham" / "beat"), "max_age": "2s"}
        return service

    with Trap(11, "a memory rule, an API rule and a heartbeat rule fire together", "one restart") as trap, \
            guarded(both) as (watch, patient):
        mark = watch.mark()
        # The heartbeat is old after 2 s, as late as the second failure of a page that begins to fail then.
        patient.set(beats=False)
        time.sleep(2)
        patient.set(status=500)
        time.sleep(1.8)
        patient.set(memory_mb=100)
        acts = wait_for(lambda: watch.acts(mark), 8)
        patient.set(beats=True, status=200, memory_mb=0)
        watch.wait_event("service-up", since=mark, within=10)
        time.sleep(3)
        acts = watch.acts(mark)
        assert acts in ([RESTART], ["stop:memory-max", "start:crash"]), acts
        assert watch.service()["restarts"]["used"] == 1 and len(patient.lives("start")) == 2
        failed = {e["reason"]["check"] for e in watch.since(mark, "check-failed")}
        trap.saw("failing: %s and memory; acts: %s" % (", ".join(sorted(failed)), ", ".join(acts)))


@beside
def test_trap_12_a_slow_start():
    with Trap(12, "a slow start", "not judged during grace; streaks begin anew with the restart") as trap:
        with Watch(sham(), watch={"grace": "5s", "cooldown": "1s"}, start=False) as watch:
            patient = watch.sham()
            patient.set(start_s=3.5)
            watch.start()
            watch.wait_well()
            watch.wait_event("service-up", within=10)
            watch.assert_no_event("check-failed", 0, during=1)
            assert watch.acts() == ["start:first-start"]

            # Two failures of the first life must not count in the second.
            wait_for(lambda: watch.service()["age_s"] >= 5)
            mark = watch.mark()
            patient.set(status=500)
            wait_for(lambda: watch.service()["failures"] == 2, 5)
            watch.ask("restart")
            done = watch.wait_event("restart-done", since=mark, within=5)
            assert watch.service()["failures"] == 0
            watch.wait_acts(["restart:operator", RESTART], mark, 15)
            after = when(watch.since(mark, "restart-decided")[1]) - when(done)
            assert after >= 5 + 1.8, "grace, then three failures: %.1f s" % after
            trap.saw("no failure told in %.1f s of starting; the third failure of the new life came "
                     "%.1f s after its start" % (3.5, after))


# Moves the wall clock of whoever loads it by the seconds that stand in a file.
CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long offset(void) {
        char text[32] = "";
        const char *path = getenv("TEST_CLOCK");
        int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

        if (fd < 0)
                return 0;
        long n = read(fd, text, sizeof(text) - 1);
        close(fd);
        return n > 0 ? atol(text) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *ts) {
        static int (*real)(clockid_t, struct timespec *);

        if (!real)
                real = (int (*)(clockid_t, struct timespec *)) dlsym(RTLD_NEXT, "clock_gettime");
        int r = real(clock, ts);
        if (r == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
                ts->tv_sec += offset();
        return r;
}

time_t time(time_t *ret) {
        struct timespec ts;

        clock_gettime(CLOCK_REALTIME, &ts);
        if (ret)
                *ret = ts.tv_sec;
        return ts.tv_sec;
}

int gettimeofday(struct timeval *tv, void *zone) {
        struct timespec ts;

        (void) zone;
        clock_gettime(CLOCK_REALTIME, &ts);
        tv->tv_sec = ts.tv_sec;
        tv->tv_usec = ts.tv_nsec / 1000;
        return 0;
}
"""


@beside
def test_trap_14_the_wall_clock_steps():
    with tempfile.TemporaryDirectory(prefix="albraguard-live-") as folder, \
            Trap(14, "the wall clock steps an hour forward and two back",
                 "intervals, pause, cool-down and budget go on as if nothing were") as trap:
        shim = compile_shim(folder, CLOCK)
        offset = Path(folder) / "offset"

        def step(seconds):
            (Path(folder) / "new").write_text("%d\n" % seconds)
            (Path(folder) / "new").replace(offset)

        # The service shares the clock, as on a real machine; the dates of its files do not.
        def dated(root):
            service = sham(heartbeat={"file": str(root / "sham" / "beat"), "max_age": "3s"})(root)
            service["api"]["fresh"] = {"field": "last_update", "max_age": "3s"}
            return service

        step(0)
        with guarded(dated, watch={"per": "10m"},
                     env={"LD_PRELOAD": shim, "TEST_CLOCK": str(offset)}) \
                as (watch, patient):
            mark = watch.mark()
            kill(watch.pid(), signal.SIGKILL)
            watch.wait_event("service-up", since=mark, within=10)
            mark = watch.mark()
            since = now()
            watch.ask("pause", "4s")
            paused = now()
            step(3600)
            wait_for(lambda: "T" in watch.status()["time"] and
                     abs(time.time() + 3600 - when(watch.status())) < 60, 3, "the clock did not step")
            time.sleep(1.5)
            assert watch.service()["paused_until"] is not None, "an hour did not pass"
            resumed = watch.wait_event("resumed", since=mark, within=6)
            assert 3.9 <= now() - paused < 6, resumed
            time.sleep(3)
            assert watch.service()["restarts"]["used"] == 1
            step(-3600)
            time.sleep(6)
            widest = check_on_time(patient, since)
            narrowest = min(gaps(patient.asked(since)))
            assert narrowest > 0.5, "asked twice within %.1f s" % narrowest
            watch.stay_calm([], mark, 0)
            watch.assert_no_event(("check-failed", "service-down"), mark)

            pid = watch.pid()
            died = now()
            kill(pid, signal.SIGKILL)
            wait_for(lambda: len(patient.lives("start")) == 3, 5)
            again = patient.lives("start")[2][0] - died
            assert 0.5 <= again < 2.5, "started after %.1f s" % again
            watch.wait_event("service-up", since=mark, within=10)
            assert watch.service()["restarts"]["used"] == 2
            watch.stay_calm(["start:crash"], mark, 3)
            watch.check_events()
            trap.saw("checks %.1f to %.1f s apart, the pause lasted its time, 2 of 2 restarts in the "
                     "budget" % (narrowest, widest))


def fill_history():
    """In a mount namespace of its own, with the history on a small disk of its own."""
    root = Path(tempfile.mkdtemp(prefix="albraguard-live-"))
    disk = root / "guard" / "state"
    disk.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)], check=True)
    try:
        with guarded(root=root, watch={"per": "10m"}) as (watch, patient):
            for number, (how, begin, end) in enumerate((
                    ("full", ["dd", "if=/dev/zero", "of=%s/ballast" % disk, "bs=1k"],
                     ["rm", "%s/ballast" % disk]),
                    ("read-only", ["mount", "-o", "remount,ro", str(disk)],
                     ["mount", "-o", "remount,rw", str(disk)]))):
                mark = watch.mark()
                if how == "read-only":
                    watch.end()  # with files open for writing the kernel refuses
                subprocess.run(begin, stderr=subprocess.DEVNULL)
                if how == "read-only":
                    watch.start()
                since = now()
                warden, clerk = watch.process.pid, watch.clerk()
                wait_for(lambda: [line for at, line in watch.lines
                                  if "history cannot be written" in line][number:], 15,
                         "that the disk is %s is not said" % how)
                died = now()
                kill(patient.lives("start")[-1][1], signal.SIGKILL)
                wait_for(lambda: len(patient.lives("start")) == 2 + number, 6,
                         "the service is not started again")
                again = patient.lives("start")[-1][0] - died
                time.sleep(3)
                widest = check_on_time(patient, since, most=3.0)  # it was down for some of it
                assert (watch.process.poll(), watch.process.pid, watch.clerk()) == (
                    None, warden, clerk), "somebody died"
                assert again < 4, "started after %.1f s" % again
                assert watch.run("status").returncode in (0, 1)
                subprocess.run(end, check=True)
                watch.wait_event("history-writable", since=mark, within=25)
                wait_for(watch.is_well, 10)
                print("%s: said so, checks at most %.1f s apart, a crash was answered after %.1f s;" %
                      (how, widest, again))
            spool = disk / "spool" / "events.jsonl"
            wait_for(lambda: not spool.read_text(), 20, "the spool is not emptied")
            watch.check_events()
            assert watch.service()["restarts"]["used"] == 2
    finally:
        subprocess.run(["umount", str(disk)])
        shutil.rmtree(root, ignore_errors=True)
    print("afterwards nothing is missing")


@beside
def test_trap_15_history_cannot_be_written():
    with Trap(15, "the disk of the history is full, then read-only",
              "checks keep their interval, crashes are answered, it is said, nothing is lost") as trap:
        trap.saw(inside("fill_history", "--mount", "--propagation", "private").replace("\n", " "))


@beside
def test_trap_17_a_value_flaps_at_its_threshold():
    with Trap(17, "a value flaps at its threshold", "a bounded number of messages") as trap, \
            guarded(sham(connections={"warning": 20, "critical": 1000})) as (watch, patient):
        mark = watch.mark()
        crossings = 0
        end = now() + 60
        while now() < end:
            patient.set(connections=30)
            time.sleep(3.2)
            patient.set(connections=4)
            time.sleep(5.2)
            crossings += 2
        told = watch.since(mark, "level-changed", "sham")
        assert told, "it was above its threshold long enough to be told once"
        assert len(told) <= 4, [e["text"] for e in told]
        watch.stay_calm([], mark, 0)
        trap.saw("%d crossings in a minute, %d messages" % (crossings, len(told)))


@alone
def test_trap_19_the_socket_is_hammered():
    with Trap(19, "the daemon is hammered with questions and idle connections",
              "checks keep their interval, nothing is done") as trap, guarded() as (watch, patient):
        path = str(Path(watch.config["run_dir"]) / "warden.sock")
        is_over = threading.Event()
        answers = []

        def hammer():
            while not is_over.is_set():
                answers.append(watch.run("status", "--json").returncode)

        idle = []
        threads = [threading.Thread(target=hammer, daemon=True) for _ in range(6)]
        mark = watch.mark()
        since = now()
        pid = watch.pid()
        for thread in threads:
            thread.start()
        while now() < since + 10:
            connection = socket.socket(socket.AF_UNIX)
            connection.setblocking(False)
            try:
                connection.connect(path)
                connection.send(b"\0AUTH nonsense" * 100)
            except OSError:
                pass
            idle.append(connection)
            time.sleep(0.02)
        widest = check_on_time(patient, since)
        is_over.set()
        for thread in threads:
            thread.join()
        for connection in idle:
            connection.close()
        wait_for(lambda: watch.run("status", "--json").returncode in (0, 1), 10, "it does not answer")
        watch.stay_calm([], mark, 1)
        watch.assert_no_event(("check-failed", "clerk-died"), mark)
        assert watch.pid() == pid and watch.process.poll() is None
        trap.saw("%d questions, %d idle connections in 10 s; checks at most %.1f s apart" % (
            len(answers), len(idle), widest))


@beside
def test_trap_21_a_second_daemon():
    with Trap(21, "two of our daemons are started at once",
              "the second refuses and names the first") as trap, guarded() as (watch, patient):
        mark = watch.mark()
        done = watch.run("watch")
        assert done.returncode == 1, done
        assert "pid %d" % watch.process.pid in done.stderr and str(watch.config["run_dir"]) in done.stderr
        watch.assert_no_event(("started", "restart-decided"), mark, during=2)
        assert len(patient.lives("start")) == 1 and watch.is_well()
        trap.saw(done.stderr.strip().split(";")[0])

    # Both at the same moment: one of them, whichever, is the daemon.
    with Watch(sham(), start=False) as watch:
        both = [subprocess.Popen([str(rig.GUARD), "watch", "--config", str(watch.path)],
                                 stderr=subprocess.DEVNULL) for _ in range(2)]
        try:
            wait_for(lambda: any(process.poll() is not None for process in both), 10,
                     "both of them watch")
            assert [process.poll() for process in both].count(1) == 1
            wait_for(lambda: watch.is_well(), 10)
            assert len(watch.sham().lives("start")) == 1
        finally:
            for process in both:
                process.terminate()
                process.wait()


@beside
def test_trap_22_the_configuration_is_edited_to_nonsense():
    with Trap(22, "the configuration is edited to nonsense while running",
              "the old one stays in force, the error names line and column") as trap, \
            guarded() as (watch, patient):
        good = watch.path.read_text()
        watch.asking_path = watch.root / "good.yaml"
        watch.asking_path.write_text(good)
        pid = watch.pid()
        places = []
        for nonsense in ('"max_restarts": "many"', '"max_restart": 4', '"max_restarts": [3'):
            mark = watch.mark()
            watch.path.write_text(good.replace('"max_restarts": 3', nonsense))
            line = next(n for n, text in enumerate(watch.path.read_text().splitlines(), 1)
                        if nonsense in text)
            watch.process.send_signal(signal.SIGHUP)
            event = watch.wait_event("config-rejected", since=mark, within=3)
            place = event["text"].split("config.yaml:")[1].split(": ")[0]
            assert re.fullmatch(r"\d+:\d+", place), event["text"]
            # Of a bracket that is never closed, the end is noticed later; then the line of its beginning is said.
            assert place.startswith("%d:" % line) or "line %d," % line in event["text"], event["text"]
            places.append(place)
            assert watch.service()["restarts"]["limit"] == 3
        mark = watch.mark()
        watch.path.write_text(good.replace('"max_restarts": 3', '"max_restarts": 2'))
        watch.process.send_signal(signal.SIGHUP)
        watch.wait_event("config-reloaded", since=mark, within=3)
        wait_for(lambda: watch.service()["restarts"]["limit"] == 2)
        kill(pid, signal.SIGKILL)
        watch.wait_acts(["start:crash"], mark, 5)
        watch.wait_event("service-up", since=mark, within=10)
        assert len(patient.lives("start")) == 2, "reloading restarts nothing"
        trap.saw("refused at %s; a good one was taken, the service untouched" % " ".join(places))


@beside
def test_trap_24_a_worker_dies():
    with Trap(24, "the service forks workers, one dies, then all", "no restart") as trap, \
            guarded() as (watch, patient):
        mark = watch.mark()
        patient.set(fork=3)
        wait_for(lambda: len(patient.lives("worker")) == 3)
        workers = [pid for _, pid in patient.lives("worker")]
        kill(workers[0], signal.SIGKILL)
        watch.stay_calm([], mark, 3)
        for pid in workers[1:]:
            kill(pid, signal.SIGSEGV)
        watch.stay_calm([], mark, 3)
        watch.assert_no_event(("service-down", "check-failed", "level-changed"), mark, service="sham")

        # The main process dies: workers that it left are ended before the next one is started.
        watch.sham().set(fork=0)
        assert len(patient.lives("start")) == 1
        trap.saw("three workers died, nothing was done")


@beside
def test_trap_24_workers_that_are_left():
    with Trap(24, "the main process dies, its workers live on",
              "they are ended before the next one is started") as trap, guarded() as (watch, patient):
        patient.set(fork=2)
        wait_for(lambda: len(patient.lives("worker")) == 2)
        workers = [pid for _, pid in patient.lives("worker")]
        patient.set(fork=0)
        time.sleep(0.2)
        # Stopped workers cannot end by themselves when they lose their parent.
        for pid in workers:
            kill(pid, signal.SIGSTOP)
        mark = watch.mark()
        kill(watch.pid(), signal.SIGKILL)
        watch.wait_acts(["start:crash"], mark, 8)
        wait_for(lambda: len(patient.lives("start")) == 2, 10)
        assert not any(is_alive(pid) for pid in workers)
        patient.check_never_two()
        trap.saw("2 workers were ended, then it was started")


@alone
def test_trap_25_hostile_logs():
    def logged(root):
        patterns = [{"match": "CRITICAL", "level": "critical"}]
        patterns += [{"match": match, "level": "warning"}
                     for match in ("(a+)+$", "(x+x+)+y", "(.*)(.*)(.*)(.*)=")]
        return sham(logs={"files": [str(root / "sham" / "log")], "window": "30s",
                          "patterns": patterns})(root)

    with Trap(25, "lines of 10 MB, binary, never ending; a pathological pattern",
              "bounded time and memory, and what comes after is still seen") as trap, \
            guarded(logged) as (watch, patient):
        mark = watch.mark()
        since = now()
        clerk = watch.clerk()
        before = private_kib(clerk)
        most = before
        slowest = 0

        def look():
            nonlocal most, slowest
            most = max(most, private_kib(clerk))
            slowest = max(slowest, watch.check("logs")["age_s"])

        with open(patient.folder / "log", "ab", buffering=0) as log:
            log.write(b"a well line\n")
            log.write(b"z" * 10_000_000 + b"\n")
            look()
            log.write(os.urandom(5_000_000) + b"\n")
            log.write(b"\0" * 1_000_000 + b"\n")
            look()
            for _ in range(200):
                log.write(b"a" * 5000 + b"!\n" + b"x" * 5000 + b"\n" + b"." * 5000 + b"\n")
            look()
            for _ in range(40):
                log.write(b"an end that never comes " * 20_000)
                look()
                time.sleep(0.05)
            log.write(b"\n2026-01-01 00:00:00 INFO calm\n")
            time.sleep(2.5)
            look()
            assert watch.check("logs")["cause"] != "log-critical"
            log.write(b"CRITICAL: the last line\n")
        failed = watch.wait_event("check-failed", since=mark, within=8)
        assert failed["reason"]["check"] == "logs" and failed["reason"]["code"] == "log-critical"
        look()
        widest = check_on_time(patient, since, most=2.5)
        assert slowest <= 2, "the logs were not looked at for %d s" % slowest
        assert watch.clerk() == clerk, "the clerk died of it"
        assert most - before < 16 << 10, "%d KiB more" % (most - before)
        watch.stay_calm([], mark, 0)
        trap.saw("the clerk grew by %d KiB at most, checks were at most %.1f s apart" % (
            most - before, widest))
