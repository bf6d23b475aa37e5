# SPDX-License-Identifier: Apache-2.0
"""Tests that mostly wait are run beside each other, and what they saw is shown at the end.

    @pytest.mark.quick           also part of `make test`
    @pytest.mark.beside          runs in a thread beside others; such a test takes no fixtures
    @pytest.mark.beside(load=4)  how much of the machine it takes: LOAD together, and at least itself
    @pytest.mark.beside(is_long=True)  begins first, whatever else runs

A test beside others begins when the first of them is wanted; pytest then only waits for its outcome.
"""

import inspect
import os
import signal
import threading

import pytest

pytest.register_assert_rewrite("rig")

import rig  # noqa: E402

# Two processors: three watches with their bots leave the machine room to be on time.
LOAD = 3


class Outcome:
    def __init__(self, item):
        self.item = item
        self.is_over = threading.Event()
        self.error = None
        mark = item.get_closest_marker("beside")
        self.load = mark.kwargs.get("load", 1)
        self.is_long = mark.kwargs.get("is_long", False)

    def run(self):
        item = self.item
        names = inspect.signature(item.obj).parameters
        arguments = getattr(item, "callspec", None)
        try:
            item.obj(**{name: arguments.params[name] for name in names} if arguments else {})
        except BaseException as error:  # also pytest's own way to skip
            self.error = error
        self.is_over.set()


class Stage:
    """Begins tests as there is room, in their order; a heavy one waits until it is alone."""

    def __init__(self, items):
        self.outcomes = {item.nodeid: Outcome(item) for item in items}
        self.room = threading.Condition()
        self.load = 0
        self.is_closed = False
        self.thread = None

    def begin(self):
        if self.thread is None:
            self.thread = threading.Thread(target=self.direct, daemon=True)
            self.thread.start()

    def direct(self):
        long = [outcome for outcome in self.outcomes.values() if outcome.is_long]
        # The heavy ones last: nothing then waits behind the emptying of the stage more than once.
        others = sorted((outcome for outcome in self.outcomes.values() if not outcome.is_long),
                        key=lambda outcome: outcome.load)
        for outcome in long:
            threading.Thread(target=outcome.run, daemon=True).start()
        for outcome in others:
            with self.room:
                self.room.wait_for(lambda: self.is_closed or self.load == 0 or
                                   self.load + outcome.load <= LOAD)
                if self.is_closed:
                    return
                self.load += outcome.load
            threading.Thread(target=self.play, args=(outcome,), daemon=True).start()

    def play(self, outcome):
        outcome.run()
        with self.room:
            self.load -= outcome.load
            self.room.notify_all()

    def close(self):
        with self.room:
            self.is_closed = True
            self.room.notify_all()


def pytest_configure(config):
    config.addinivalue_line("markers", "quick: takes seconds; part of make test")
    config.addinivalue_line("markers", "beside(load=1, is_long=False): runs beside others")


def end(*_):
    raise KeyboardInterrupt("asked to end")


def pytest_sessionstart(session):
    # Whoever limits our time sends SIGTERM; the daemons and bots must not outlive us then.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, end)
    session.config.stage = None


def pytest_collection_finish(session):
    items = [item for item in session.items if item.get_closest_marker("beside")]
    session.config.stage = Stage(items)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    stage = pyfuncitem.config.stage
    outcome = stage.outcomes.get(pyfuncitem.nodeid) if stage else None
    if outcome is None:
        return None
    stage.begin()
    while not outcome.is_over.wait(0.2):
        pass
    if outcome.error:
        raise outcome.error
    return True


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    if getattr(session.config, "stage", None):
        session.config.stage.close()
    rig.close_everything()


def pytest_terminal_summary(terminalreporter):
    if rig.figures:
        terminalreporter.section("figures")
        for text in rig.figures:
            terminalreporter.write_line(text)
    if rig.board:
        text = rig.render_board()
        terminalreporter.section("the board of traps")
        terminalreporter.write(text)
        if os.path.isdir(rig.BUILD):
            (rig.BUILD / "trap-board.txt").write_text(text)
