# SPDX-License-Identifier: Apache-2.0
"""Faults in a loop: the warden's memory stays where it is, and no descriptor is left open.

SOAK_SECONDS (default 120) says how long; an hour by hand is `SOAK_SECONDS=3600`.
"""

import os
import random
import signal
import time

import pytest
from rig import Watch, count_fds, is_alive, kill, private_kib, sham, tell, wait_for

SECONDS = int(os.environ.get("SOAK_SECONDS", "120"))
SEED = int(os.environ.get("SOAK_SEED", "0")) or int(time.time())
WARM_UP_S = 20
SLACK_KIB = 256

HASTY = {"interval": "500ms", "sample": "100ms", "failures": 2, "successes": 1, "grace": "500ms",
         "cooldown": "500ms", "max_restarts": 8, "per": "10s"}


class Trouble:
    """Everything but reloading: that builds a second state beside the first, and the heap keeps its shape."""

    def __init__(self, watch, rng, names):
        self.watch = watch
        self.rng = rng
        self.names = names
        self.count = 0

    def strike(self):
        self.count += 1
        name = self.rng.choice(self.names)
        patient = self.watch.sham(name)
        choice = self.rng.randrange(8)
        if choice < 2:
            pid = self.watch.pid_on_file(name)
            if pid and is_alive(pid):
                kill(pid, self.rng.choice([signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM]))
        elif choice == 2:
            patient.set(status=500)
        elif choice == 3:
            patient.set(is_deaf=True)
        elif choice == 4:
            patient.set(connections=self.rng.randrange(0, 60, 2))
        elif choice == 5:
            patient.set(status=200, is_deaf=False, live_s=None)
        elif choice == 6:
            self.watch.run("status")
        else:
            self.watch.run(self.rng.choice(["restart", "pause", "resume", "release", "stop", "start"]), name)


@pytest.mark.beside(is_long=True)
def test_memory_and_descriptors_stay():
    rng = random.Random(SEED)
    names = ["one", "two", "three"]
    with Watch(*(sham(name, restart_delay="200ms", start_limit_per="1s",
                      connections={"critical": 50}, stop={"timeout": "500ms"}) for name in names),
               watch=HASTY) as watch:
        warden = watch.process.pid
        trouble = Trouble(watch, rng, names)
        for name in names:
            wait_for(lambda name=name: watch.is_well(name), 30)
        time.sleep(1)
        fds_at_first = count_fds(warden)
        began = time.monotonic()
        memory = []
        while time.monotonic() - began < SECONDS:
            trouble.strike()
            time.sleep(rng.uniform(0.02, 0.4))
            if time.monotonic() - began > WARM_UP_S:
                memory.append(private_kib(warden))

        # At rest again it holds what it held at rest.
        for name in names:
            watch.sham(name).set(status=200, is_deaf=False, live_s=None, connections=0)
            watch.run("resume", name)
            watch.run("release", name)
            watch.run("start", name)
        for name in names:
            wait_for(lambda name=name: watch.is_well(name), 30, "%s did not become well" % name)
        time.sleep(1)
        memory.append(private_kib(warden))
        fds_at_last = count_fds(warden)
        assert watch.process.poll() is None and watch.process.pid == warden

        quarter = max(1, len(memory) // 4)
        first, last = max(memory[:quarter]), max(memory[-quarter:])
        tell("soak of %d s (seed %d): %d troubles, %d events; private memory of the warden %d to %d KiB, "
             "first quarter up to %d, last up to %d; descriptors at rest %d, then %d" %
             (SECONDS, SEED, trouble.count, len(watch.events), min(memory), max(memory), first, last,
              fds_at_first, fds_at_last))
        for name in names:
            watch.sham(name).check_never_two()
        watch.check_events()
        assert last - first <= SLACK_KIB, "memory grows: %s" % memory[:: max(1, len(memory) // 40)]
        assert fds_at_last == fds_at_first, "descriptors are left"
