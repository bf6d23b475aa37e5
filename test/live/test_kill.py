# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random moments, hundreds of times: nothing is lost, doubled, forgotten or run twice.

KILLS (default 200) says how often, KILL_SEED which moments; the seed is told with the figures.
"""

import json
import os
import random
import signal
import sqlite3
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest
from rig import Watch, compile_shim, is_alive, kill, now, sham, tell, wait_for

KILLS = int(os.environ.get("KILLS", "200"))
SEED = int(os.environ.get("KILL_SEED", "0")) or int(time.time())
LIMIT = 4  # restarts within an hour

HASTY = {"interval": "300ms", "sample": "100ms", "failures": 2, "successes": 1, "grace": "300ms",
         "cooldown": "300ms", "max_restarts": LIMIT, "per": "1h"}


# A disk that takes its time: what is done before it is on disk is then done with the power off, so to speak.
SLOW_DISK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>

int fsync(int fd) {
        usleep(80000);
        return ((int (*)(int)) dlsym(RTLD_NEXT, "fsync"))(fd);
}

int fdatasync(int fd) {
        usleep(80000);
        return ((int (*)(int)) dlsym(RTLD_NEXT, "fdatasync"))(fd);
}
"""


def events_on_disk(watch):
    """What the store and the spool hold together, by number, and how many of them are stored."""
    state = Path(watch.config["state_dir"])
    found = {}
    with sqlite3.connect("file:%s?mode=ro" % (state / "history.db"), uri=True) as store:
        for seq, service, kind, text in store.execute("SELECT seq, service, kind, text FROM event"):
            found[seq] = (service, kind, text)
    stored = len(found)
    spooled = [json.loads(line) for line in
               (state / "spool" / "events.jsonl").read_text().splitlines()]
    told = [json.loads(line) for line in watch.ask("events", "--json", "-n", "10000").splitlines()]
    for row in (spooled, told):
        assert len({event["seq"] for event in row}) == len(row), "an event is there twice"
        for event in row:
            same = (event["service"], event["kind"], event["text"])
            assert found.setdefault(event["seq"], same) == same, "a number has two events: %s, %s" % (
                found[event["seq"]], same)
    assert {event["seq"] for event in told} == set(found)
    return told, stored


def check_row(events):
    numbers = [event["seq"] for event in events]
    missing = sorted(set(range(1, numbers[-1] + 1)) - set(numbers))
    assert not missing, "%d of %d events are gone: %s" % (len(missing), numbers[-1], missing[:20])


def check_pairs(events, begin, end, key):
    """What begins ends before it begins again, and the other way round."""
    is_open = {}
    for event in events:
        if event["kind"] not in (begin, end):
            continue
        at = key(event)
        assert is_open.get(at, False) != (event["kind"] == begin), \
            "%s twice in a row, of %s: event %d" % (event["kind"], at, event["seq"])
        is_open[at] = event["kind"] == begin


@pytest.mark.beside(load=2)
@pytest.mark.parametrize("disk", ["quick disk", "slow disk"])
def test_the_warden_is_killed_at_any_moment(disk):
    rng = random.Random(SEED)
    with tempfile.TemporaryDirectory(prefix="albraguard-live-") as folder:
        if disk == "quick disk":
            kill_the_warden(rng, disk, {}, KILLS, 0.02, 0.4)
        else:
            kill_the_warden(rng, disk, {"LD_PRELOAD": compile_shim(folder, SLOW_DISK)},
                            KILLS // 2, 0.1, 0.8)


def kill_the_warden(rng, disk, env, kills, least, most):
    # The service's own troubles: short lives, an error page, a page that does not answer.
    troubles = ({"live_s": 0.2, "exit": 1}, {"live_s": 0.5, "exit": -signal.SIGSEGV},
                {"live_s": None, "status": 500}, {"live_s": None, "is_deaf": True},
                {"live_s": 0.3, "exit": 3})
    service = sham(restart_delay="100ms", start_limit_per="100ms",
                   stop={"signal": "TERM", "timeout": "300ms"})
    with Watch(service, watch=HASTY, follow=False, env=env) as watch:
        patient = watch.sham()
        patient.set(live_s=0.2)
        segments = [now()]  # the budget is full again from here on
        held_for = 0
        for number in range(kills):
            time.sleep(rng.uniform(least, most))
            watch.kill()
            watch.start(wait=False)
            if number % 5 == 4:
                patient.set(**dict({"status": 200, "is_deaf": False}, **rng.choice(troubles)))
            # Held, it would be calm for the rest of the test: some kills later a person releases it.
            if number % 4 == 3:
                wait_for(lambda: watch.run("status", "--json").returncode in (0, 1))
                held_for += watch.service()["held"]
                if held_for >= 2:
                    assert watch.service()["restarts"]["used"] == LIMIT
                    watch.ask("release")
                    segments.append(now())
                    held_for = 0

        # In peace it ends well.
        patient.set(live_s=None, status=200, is_deaf=False)
        wait_for(lambda: watch.run("status", "--json").returncode in (0, 1))
        if watch.service()["held"]:
            watch.ask("release")
            segments.append(now())
        watch.wait_well(within=30)
        time.sleep(1)
        watch.end()
        # Everything is durable now. Asking needs no daemon; what only the checkpoint holds would be missing.
        watch.start(wait=True)
        wait_for(lambda: not (Path(watch.config["state_dir"]) / "spool" / "events.jsonl").read_text(),
                 10, "the spool is not emptied")
        events, stored = events_on_disk(watch)

        starts = [at for at, _ in patient.lives("start")]
        exits = patient.lives("exit")
        count = Counter(event["kind"] for event in events)
        decided = Counter(event["reason"]["code"] for event in events
                          if event["kind"] == "restart-decided")
        worst = max(sum(begin <= at < end for at in starts[1:]) for begin, end in
                    zip(segments, segments[1:] + [now() + 1]))
        tell("kill -9 of the warden, %s: %d times (seed %d); %d starts of the service, %d deaths by itself; "
             "%d budgets, the fullest used %d of %d; %d events, %d of them in the store; decided: %s" %
             (disk, kills, SEED, len(starts), len(exits), len(segments), worst, LIMIT, len(events), stored,
              dict(decided)))

        patient.check_never_two()
        check_row(events)
        assert worst <= LIMIT, "the budget was forgotten"
        assert count["restart-done"] + count["restart-failed"] == sum(decided.values()), \
            "what was decided has one outcome: %s" % dict(count)
        # One that is ended within its first milliseconds has no time to say that it began.
        assert sum(decided.values()) - 3 <= len(starts) <= sum(decided.values()), \
            "what was decided was done once, nothing else was"
        assert count["started"] >= kills * 0.5
        check_pairs(events, "held", "released", lambda e: e["service"])
        check_pairs(events, "check-failed", "check-recovered", lambda e: e["reason"]["check"])
        assert len(segments) >= 3 and len(starts) > 2 * LIMIT, "too little happened to prove anything"


def children(pid):
    try:
        return [int(n) for n in Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split()]
    except OSError:
        return []


def clerk_of(warden):
    for pid in children(warden):
        try:
            if b"\0clerk\0" in Path("/proc/%d/cmdline" % pid).read_bytes():
                return pid
        except OSError:
            pass
    return None


@pytest.mark.beside
def test_the_clerk_is_killed_at_any_moment():
    rng = random.Random(SEED)
    with Watch(sham(restart_delay="100ms"), watch=dict(HASTY, max_restarts=30),
               follow=False) as watch:
        patient = watch.sham()
        watch.wait_well()
        kills = 0
        while kills < KILLS:
            # Each death of a clerk doubles the wait for the next one, so the warden is changed now and then.
            for _ in range(2):
                clerk = wait_for(lambda: clerk_of(watch.process.pid), 5, "there is no clerk")
                time.sleep(rng.uniform(0.0, 0.25))
                kills += kill(clerk, signal.SIGKILL)
                if kills % 20 == 0:
                    kill(patient.lives("start")[-1][1], signal.SIGKILL)  # something to tell
            if rng.random() < 0.5:
                watch.kill()
            else:
                watch.end()
            watch.start(wait=False)

        wait_for(lambda: watch.run("status", "--json").returncode in (0, 1))
        watch.wait_well(within=30)
        spool = Path(watch.config["state_dir"]) / "spool" / "events.jsonl"
        wait_for(lambda: not spool.read_text(), 15, "the spool is not emptied")
        events, stored = events_on_disk(watch)
        count = Counter(event["kind"] for event in events)
        starts = patient.lives("start")
        tell("kill -9 of the clerk: %d times (seed %d); %d deaths told, %d returns; %d starts of the "
             "service; %d events, %d of them in the store" %
             (kills, SEED, count["clerk-died"], count["clerk-restarted"], len(starts), len(events), stored))

        patient.check_never_two()
        check_row(events)
        check_pairs(events, "check-failed", "check-recovered", lambda e: e["reason"]["check"])
        assert stored == len(events)
        assert not any(event["kind"] == "restart-decided" and
                       event["reason"]["code"] == "consecutive-failures" for event in events), \
            "a clerk that is gone says nothing about the service"
        assert count["restart-done"] == len(starts)
        assert is_alive(starts[-1][1])
        assert count["clerk-died"] >= kills / 4
