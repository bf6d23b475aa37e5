# SPDX-License-Identifier: Apache-2.0
"""One run at full length, with the guide's own numbers: 30 s, three failures, 5 min, 3 per hour.

It begins first and mostly waits, beside everything else.
"""

import time

import pytest
from rig import Watch, bot, now, tell, wait_for, when

GUIDE = {"interval": "30s", "sample": "5s", "failures": 3, "successes": 2, "grace": "60s",
         "cooldown": "5m", "max_restarts": 3, "per": "1h"}
RESTART = "restart:consecutive-failures"


def guided(root):
    service = bot(stop={"signal": "TERM", "timeout": "30s"}, restart_delay="30s", start_limit=3,
                  start_limit_per="600s", memory_max="3G")(root)
    service["api"].update(timeout="10s", latency={"warning": "1s", "critical": "5s"},
                          fresh={"field": "last_update", "max_age": "300s"})
    service["logs"]["window"] = "5m"
    service["heartbeat"]["max_age"] = "120s"
    return service


@pytest.mark.beside(is_long=True)
def test_a_hang_is_restarted_and_the_next_one_waits_for_the_cooldown():
    with Watch(guided, watch=GUIDE) as watch:
        began = now()
        wait_for(lambda: watch.service()["checks"][2]["outcome"] == "ok", 60)
        time.sleep(max(0, began + 50 - now()))  # the grace is over when the first failure is counted
        watch.assert_no_event(("check-failed", "level-changed"), 0, service="albratrading-multi")

        mark = watch.mark()
        watch.do("hang")
        hung = time.time()
        watch.wait_acts([RESTART], mark, 110)
        decided = watch.since(mark, "restart-decided")[0]
        took = when(decided) - hung
        assert decided["reason"]["check"] == "api" and decided["reason"]["used"] == 1
        assert 60 <= took <= 100 or watch.had_weather(mark), "decided after %.1f s" % took
        done = watch.wait_event("restart-done", since=mark, within=60)
        assert 29 <= when(done) - when(decided) <= 45, "a hung bot does not hear SIGTERM"

        # The second one: in grace nothing is counted, then three failures meet the cool-down.
        wait_for(lambda: (watch.root / "state" / "bot.pid").read_text().strip() ==
                 str(watch.pid_on_file("albratrading-multi")), 20)
        time.sleep(3)
        watch.do("hang")
        watch.wait_acts([RESTART, "refused:cooldown"], mark, 200)
        refused = watch.since(mark, "restart-refused")[-1]
        after = when(refused) - when(done)
        assert after >= 60 + 60, "a grace of 60 s, then three failures 30 s apart: %.1f s" % after
        left = refused["reason"]["left_s"]
        assert abs(when(refused) + left - (when(decided) + 300)) <= 2, "five minutes from the restart"
        assert watch.service()["refusal"] == "cooldown"

        # Nothing is done until then, and then it is.
        watch.wait_acts([RESTART, "refused:cooldown", RESTART], mark, left + 40)
        second = watch.since(mark, "restart-decided")[1]
        apart = when(second) - when(decided)
        assert 299.5 <= apart <= 335 or watch.had_weather(mark), "%.1f s apart" % apart
        assert second["reason"]["used"] == 2
        watch.check_events()
        tell("full length: the restart was decided %.1f s after the hang, the next one was refused for %d s "
             "more and came %.1f s after the first" % (took, left, apart))
