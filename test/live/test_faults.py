# SPDX-License-Identifier: Apache-2.0
"""Each fault of examples/break: the right event, the right act in the right time, and no other act.

Checks come every second, three failures make a restart, a start has two seconds of grace.
"""

import threading
import time
from pathlib import Path

import pytest
from rig import Watch, bot, is_alive, wait_for, when

beside = pytest.mark.beside
alone = pytest.mark.beside(load=3)

NAME = "albratrading-multi"
FIRST = ["start:first-start"]
RESTART = ["restart:consecutive-failures"]


def well(*services, **options):
    """A watch whose bot is through its grace."""
    watch = Watch(*(services or (bot(),)), **options)
    watch.wait_well()
    wait_for(lambda: watch.service(NAME)["age_s"] >= 2)
    watch.wait_event("service-up", within=15)
    assert watch.acts() == FIRST
    return watch


def failing(watch, mark, kind, code, within=5, level=None):
    event = watch.wait_event("check-failed", since=mark, within=within,
                             where=lambda e: e["reason"]["check"] == kind)
    assert event["reason"]["code"] == code, event
    assert level is None or event["level"] == level, event
    return event


def only_two_lived(watch):
    """The bot's own lock saw no second one."""
    assert "another bot is at work" not in (watch.root / "logs" / "output.log").read_text()


def hangs(watch, fault, pairs, within, *options):
    """The bot stands still; it is restarted once, after the third failure and not before."""
    old = watch.pid()
    mark = watch.mark()
    began = time.time()
    watch.do(fault, *options)
    event = watch.wait_event("check-failed", since=mark, within=within)
    first = when(event)
    watch.wait_acts(RESTART, mark, within)
    decided = watch.since(mark, "restart-decided")[0]
    assert when(decided) - first >= 1.7, "three failures take two seconds at least"
    assert when(decided) - began <= within or watch.had_weather(mark)
    assert decided["level"] == "critical"
    seen = {(e["reason"]["check"], e["reason"]["code"]) for e in watch.since(mark, "check-failed")}
    assert seen & set(pairs), seen
    done = watch.wait_event("restart-done", since=mark, within=6)
    watch.wait_event("service-up", since=mark, within=10)
    assert not is_alive(old) and watch.pid() != old
    for check in {e["reason"]["check"] for e in watch.since(mark, "check-failed")} - {"logs"}:
        watch.wait_event("check-recovered", since=mark, within=8,
                         where=lambda e, check=check: e["reason"]["check"] == check)
    watch.stay_calm(RESTART, mark, 2)
    assert watch.service()["restarts"]["used"] == 1
    only_two_lived(watch)
    watch.check_events()
    return decided, done


# Faults that end the bot.


@beside
@pytest.mark.parametrize("fault, exit_cause, value", [("crash", "failure", 1), ("segv", "signal", 11)])
def test_a_death_is_known_at_once_and_the_bot_is_started_again(fault, exit_cause, value):
    with well() as watch:
        old = watch.pid()
        mark = watch.mark()
        began = time.time()
        watch.do(fault)
        down = watch.wait_event("service-down", since=mark, within=3)
        assert (down["level"], down["reason"]["code"]) == ("critical", "died")
        assert (down["reason"]["exit"], down["reason"]["value"]) == (exit_cause, value)
        assert when(down) - began < 2
        watch.wait_acts(["start:crash"], mark, 5)
        decided = watch.since(mark, "restart-decided")[0]
        assert 0.99 <= when(decided) - when(down) < 2, "the restart delay is 1 s"
        watch.wait_event("service-up", since=mark, within=10)
        watch.stay_calm(["start:crash"], mark, 3)
        assert watch.pid() != old
        assert len(watch.since(mark, "service-down")) == len(watch.since(mark, "service-up")) == 1
        only_two_lived(watch)
        watch.check_events()


@beside
def test_exit0_is_left_alone():
    with well() as watch:
        old = watch.pid()
        mark = watch.mark()
        watch.do("exit0")
        down = watch.wait_event("service-down", since=mark, within=8)
        assert (down["level"], down["reason"]["code"]) == ("warning", "ended")
        watch.stay_calm([], mark, 5)
        service = watch.service()
        assert (service["state"], service["level"], service["pid"]) == ("stopped", "warning", None)
        assert not is_alive(old)
        watch.assert_no_event(("check-failed", "level-changed"), mark, service=NAME)

        watch.ask("start")
        watch.wait_event("service-up", since=mark, within=10)
        assert watch.acts(mark) == ["start:operator"]


# Faults that stop the work.

HUNG = [("api", "timeout"), ("heartbeat", "heartbeat-old"), ("process", "stopped")]


@beside
@pytest.mark.parametrize("fault", ["hang", "deadlock"])
def test_a_blocked_loop_is_restarted_once(fault):
    with well() as watch:
        hangs(watch, fault, [("api", "timeout")], 12)


@beside(load=2)
@pytest.mark.parametrize("fault", ["spin", "gil"])
def test_a_busy_loop_is_restarted_once(fault):
    with well() as watch:
        decided, done = hangs(watch, fault, [("api", "timeout")], 14)
        assert "killed" in done["text"], "it does not hear SIGTERM: %s" % done
        assert when(done) - when(decided) >= 3, "it had its stop timeout"


@beside
def test_a_frozen_process_is_named_and_restarted():
    with well() as watch:
        hangs(watch, "freeze", [("process", "stopped")], 10)


@beside
def test_a_page_that_answers_without_work_behind_it_is_hung():
    with well() as watch:
        mark = watch.mark()
        decided, _ = hangs(watch, "stale", [("api", "stale-body"), ("heartbeat", "heartbeat-old")], 14)
        assert decided["reason"]["check"] in ("api", "heartbeat")
        watch.assert_no_event("check-failed", mark,
                              where=lambda e: e["reason"]["code"] in ("timeout", "http-status"))


# Faults of the status page.


@beside
def test_a_late_answer_is_a_level_and_too_late_a_restart():
    with well() as watch:
        mark = watch.mark()
        watch.do("slow-api", "--seconds", "0.35")
        event = watch.wait_event("level-changed", since=mark, within=8, service=NAME)
        assert event["level"] == "warning" and event["reason"]["check"] == "api"
        watch.stay_calm([], mark, 3)
        assert watch.check("api")["level"] == "warning" and watch.service()["level"] == "warning"
        watch.assert_no_event("check-failed", mark)

        hangs(watch, "slow-api", [("api", "timeout")], 10, "--seconds", "5")


@beside
def test_an_error_page_is_a_failure_in_spite_of_the_trading():
    with well() as watch:
        mark = watch.mark()
        decided, done = hangs(watch, "api-500", [("api", "http-status")], 8)
        assert decided["reason"]["check"] == "api"
        assert "killed" not in done["text"], "it stops by itself"
        assert not [e for e in watch.since(mark, "check-failed")
                    if e["reason"]["check"] not in ("api", "logs")]


@beside
def test_flapping_makes_few_messages_and_no_restart():
    with well() as watch:
        mark = watch.mark()
        watch.do("flap", "--seconds", "1.7")
        watch.stay_calm([], mark, 30)
        told = watch.since(mark, ("check-failed", "check-recovered", "level-changed"), NAME)
        assert watch.since(mark, "check-failed"), "it failed now and then"
        assert len(told) <= 8, [e["text"] for e in told]


@beside
def test_good_ends_an_episode_before_anything_is_done():
    with well() as watch:
        mark = watch.mark()
        watch.do("api-500")
        failing(watch, mark, "api", "http-status", level="warning")
        watch.do("good")
        recovered = watch.wait_event("check-recovered", since=mark, within=6)
        assert recovered["reason"]["check"] == "api"
        watch.stay_calm([], mark, 4)
        assert watch.service()["failures"] == 0 and watch.service()["level"] == "normal"


# Faults told in the log.


@beside
def test_a_burst_of_errors_only_alarms():
    with well() as watch:
        mark = watch.mark()
        watch.do("error-burst")
        event = watch.wait_event("level-changed", since=mark, within=6, service=NAME)
        assert event["level"] == "critical" and event["reason"]["check"] == "logs", event
        assert event["reason"]["value"] > 50, "more than 5 % of the lines"
        logs = watch.check("logs")
        assert (logs["cause"], logs["level"]) == ("log-warning", "critical")
        assert "400" in logs["reason"], "200 lines in each of two files: %s" % logs["reason"]
        watch.stay_calm([], mark, 3)
        watch.wait_event("level-changed", since=event["seq"], within=15, service=NAME,
                         where=lambda e: e["level"] == "normal")  # the lines leave the window
        watch.stay_calm([], mark, 1)


@beside
def test_a_traceback_is_critical_and_only_alarms():
    with well() as watch:
        old = watch.pid()
        mark = watch.mark()
        watch.do("traceback")
        event = failing(watch, mark, "logs", "log-critical", level="critical")
        assert event["reason"]["may_restart"] is False
        watch.stay_calm([], mark, 5)
        assert watch.pid() == old
        watch.wait_event("check-recovered", since=mark, within=8)


@alone
def test_a_flood_of_lines_does_not_delay_the_checks():
    with well(bot(), prevention={"logs": {"dirs": ["logs"]}}) as watch:
        mark = watch.mark()
        watch.do("log-flood", "--lines-per-s", "20000", "--max-mb", "60")
        end = time.monotonic() + 8
        ages = []
        while time.monotonic() < end:
            ages += [check["age_s"] for check in watch.service()["checks"]
                     if check["name"] in ("api", "logs", "process", "heartbeat")]
            time.sleep(0.2)
        assert max(ages) <= 2, "a check every second was %d s old" % max(ages)
        assert (watch.root / "logs" / "trading.log").stat().st_size > 10e6
        watch.stay_calm([], mark, 0)
        watch.assert_no_event(("clerk-died", "check-failed"), mark)
        watch.do("good")


# Faults that use things up.


@beside
def test_a_leak_is_told_in_levels_and_ends_at_the_ceiling():
    with well(bot(memory_max="90M")) as watch:
        old = watch.pid()
        mark = watch.mark()
        watch.do("leak-memory", "--mb-per-s", "4")
        warning = watch.wait_event("level-changed", since=mark, within=25, service=NAME)
        assert warning["level"] == "warning" and warning["reason"]["check"] == "memory"
        watch.wait_acts(["stop:memory-max", "start:crash"], mark, 15)
        stop, start = watch.since(mark, ("oom-kill", "restart-decided"))
        assert when(warning) < when(stop) < when(start)
        assert when(start) - when(stop) >= 1, "the restart delay"
        watch.wait_event("service-up", since=mark, within=10)
        watch.stay_calm(["stop:memory-max", "start:crash"], mark, 3)
        service = watch.service()
        assert service["restarts"]["used"] == 1, "a stop for memory and its start are one restart"
        assert service["pid"] != old and service["memory_bytes"] < 90 << 20


@beside
def test_leaking_descriptors_are_told_before_they_run_out():
    with well() as watch:
        mark = watch.mark()
        watch.do("leak-fd", "--per-s", "400")
        event = watch.wait_event("level-changed", since=mark, within=12, service=NAME,
                                 where=lambda e: e["reason"]["check"] == "descriptors")
        assert event["level"] in ("warning", "critical") and event["reason"]["value"] >= 800
        watch.stay_calm([], mark, 4)
        service = watch.service()
        assert service["fds"] > 0.8 * service["fds_limit"]
        watch.do("good")
        watch.wait_event("level-changed", since=mark, within=15, service=NAME,
                         where=lambda e: e["level"] == "normal")


@beside
def test_piling_connections_are_critical():
    with well(bot(connections={"critical": 200})) as watch:
        mark = watch.mark()
        watch.do("leak-connections", "--per-s", "100")
        watch.wait_event("level-changed", since=mark, within=15, service=NAME,
                         where=lambda e: e["reason"]["check"] == "connections" and
                         e["level"] == "critical")
        watch.stay_calm([], mark, 3)
        assert watch.service()["connections"] > 200


@alone
def test_a_bot_that_burns_the_processors_is_named_and_let_work():
    with well() as watch:
        watch.wait_quiet_machine()
        old = watch.pid()
        mark = watch.mark()
        watch.do("cpu")
        event = watch.wait_event("level-changed", since=mark, within=12, service="",
                                 where=lambda e: e["reason"]["check"] == "cpu" and
                                 e["reason"].get("culprit"))
        assert event["level"] in ("warning", "critical")
        assert event["reason"]["culprit"] == NAME and NAME in event["text"]
        watch.stay_calm([], mark, 6)
        assert watch.pid() == old
        watch.do("good")


# Workers, starting, stopping.


@beside
def test_a_lost_worker_is_no_crash():
    with well() as watch:
        old = watch.pid()
        mark = watch.mark()
        watch.do("fork-workers")
        wait_for(lambda: "was killed" in (watch.root / "logs" / "trading.log").read_text())
        watch.stay_calm([], mark, 5)
        watch.assert_no_event(("service-down", "check-failed"), mark)
        assert watch.pid() == old and watch.service()["state"] == "running"


class Census(threading.Thread):
    """Counts the bots that live at the same time."""

    def __init__(self, watch):
        super().__init__(daemon=True)
        self.watch = watch
        self.most = 0
        self.is_over = False

    def run(self):
        while not self.is_over:
            bots = 0
            for pid in self.watch.marked():
                try:
                    bots += b"main_multi_account" in Path("/proc/%d/cmdline" % pid).read_bytes()
                except OSError:
                    pass
            self.most = max(self.most, bots)
            time.sleep(0.05)


@beside
def test_a_slow_stop_is_waited_for_and_then_forced():
    with well() as watch:
        old = watch.pid()
        watch.do("slow-stop", "--seconds", "40")
        mark = watch.mark()
        census = Census(watch)
        census.start()
        watch.ask("restart")
        done = watch.wait_event("restart-done", since=mark, within=8)
        assert 2900 <= done["reason"]["took_ms"] < 6000 and "killed" in done["text"], done
        assert not is_alive(old)
        watch.wait_event("service-up", since=mark, within=10)
        watch.stay_calm(["restart:operator"], mark, 1)

        watch.do("slow-stop", "--seconds", "1.5")
        mark = watch.mark()
        watch.ask("restart")
        done = watch.wait_event("restart-done", since=mark, within=8)
        assert 1400 <= done["reason"]["took_ms"] < 2900 and "killed" not in done["text"], done
        census.is_over = True
        census.join()
        assert census.most == 1
        only_two_lived(watch)


@beside
def test_a_slow_start_has_its_grace_and_no_more():
    with well(watch={"grace": "6s", "cooldown": "2s"}) as watch:
        watch.do("slow-start", "--seconds", "4")
        mark = watch.mark()
        watch.ask("restart")
        watch.wait_event("service-up", since=mark, within=10)
        watch.assert_no_event("check-failed", mark, where=lambda e: e["reason"]["check"] != "logs")
        watch.stay_calm(["restart:operator"], mark, 2)

        # One that takes longer is judged after its grace, and not a moment earlier.
        watch.do("slow-start", "--seconds", "60")
        mark = watch.mark()
        watch.ask("restart")
        done = watch.wait_event("restart-done", since=mark, within=6)
        failed = watch.wait_event("check-failed", since=mark, within=12,
                                  where=lambda e: e["reason"]["check"] == "api")
        assert when(failed) - when(done) >= 5.8, "it had a grace of 6 s"
        watch.wait_acts(["restart:operator", "restart:consecutive-failures"], mark, 25)
        decided = watch.since(mark, "restart-decided")[1]
        assert when(decided) - when(failed) >= 1.7


@beside
def test_a_crash_loop_is_held_once_and_released_by_hand():
    with well(bot(restart_delay="300ms"), watch={"per": "10m"}) as watch:
        mark = watch.mark()
        watch.do("crash-loop", "--seconds", "0.5")
        watch.wait_acts(["start:crash"] * 3 + ["held"], mark, 30)
        held = watch.since(mark, "held")[0]
        assert held["level"] == "critical" and held["service"] == NAME
        watch.stay_calm(["start:crash"] * 3 + ["held"], mark, 8)
        service = watch.service()
        assert service["state"] == "held" and service["held"] and service["restarts"]["used"] == 3
        assert watch.run("status").returncode == 1
        assert len(watch.since(mark, "service-down")) == 4

        watch.do("good")
        mark = watch.mark()
        watch.ask("release")
        watch.wait_event("service-up", since=mark, within=10)
        watch.stay_calm(["released", "start:crash"], mark, 4)
        service = watch.service()
        assert service["state"] == "running" and not service["held"]
        only_two_lived(watch)
        watch.check_events()
