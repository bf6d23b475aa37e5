# SPDX-License-Identifier: Apache-2.0
"""How long after its death a crash is known, and said."""

import os
import signal
import time

import pytest
from rig import Watch, is_alive, poll_readable, spread, tell, wait_for, when

SERVICES = 9
DEATHS = 12  # as many as are told one by one within an hour


def idle(name):
    return {"name": name, "command": ["/bin/sleep", "100000"], "restart_delay": "0s", "start_limit": 32,
            "start_limit_per": "100ms", "stop": {"timeout": "1s"}}


def milliseconds(name, values):
    return "  %-34s min %.2f  median %.2f  95 %% %.2f  max %.2f ms" % (
        name, *(value * 1000 for value in spread(values)))


@pytest.mark.beside(load=3)
def test_a_crash_is_known_and_said_within_milliseconds():
    names = ["idle-%d" % number for number in range(SERVICES)]
    # Full checks are far apart: what is known early is not known by looking.
    with Watch(*(idle(name) for name in names),
               watch={"interval": "30s", "sample": "5s", "cooldown": "0s", "max_restarts": 32,
                      "per": "100ms", "grace": "0s"}) as watch:
        known, said, followed = [], [], []
        for name in names * DEATHS:
            pid = wait_for(lambda name=name: watch.pid_on_file(name), 10)
            wait_for(lambda pid=pid: is_alive(pid), 10)
            time.sleep(0.01)  # the exec is over
            mark = watch.mark()
            fd = os.pidfd_open(pid)
            signal.pidfd_send_signal(fd, signal.SIGKILL)
            assert poll_readable(fd, 5)
            died = time.time()
            os.close(fd)
            event = watch.wait_event("service-down", since=mark, within=5, service=name)
            known.append(when(event) - died)
            followed.append(event["heard"] - died)
            wait_for(lambda event=event: any(event["text"] in line and at >= died - 1
                                             for at, line in watch.lines[-20:]), 5)
            said.append(next(at for at, line in reversed(watch.lines)
                             if event["text"] in line) - died)
            watch.wait_event("restart-done", since=mark, within=5, service=name)

        tell("from a death to our knowledge of it, %d deaths:" % len(known))
        tell(milliseconds("the event's own time", known))
        tell(milliseconds("the line on standard error", said))
        tell(milliseconds("the line of events -f", followed))
        assert spread(known)[1] < 0.05 and spread(said)[1] < 0.05
        watch.check_events()
