# SPDX-License-Identifier: Apache-2.0
""".ci/run, tools/suite and tools/fuzz: nothing that failed, hung or is missing passes."""

import re
import shutil

import pytest

from conftest import TOP


@pytest.fixture
def ci(tree):
    shutil.copytree(TOP / ".ci", tree.path / ".ci")

    def run(table, *arguments, seconds=4500):
        tree.write("table", "table() {\n" + table + "\n}\n")
        done = tree.run("env", "CI_TABLE=table", f"CI_SECONDS={seconds}", ".ci/run", *arguments)
        # How long a step took is the machine's affair.
        return done.returncode, re.sub(r"\(\d+ s\)", "(0 s)", done.stdout).splitlines()
    return run


def test_all_well(ci):
    r, said = ci("step one 9 true\npart=check\nstep two 9 true")
    assert (r, said) == (0, ["ok one (0 s)", "ok two (0 s)", "2 passed, 0 failed"])


def test_a_failure_is_shown_and_counted_and_the_rest_runs(ci):
    r, said = ci("step one 9 sh -c 'seq 99; exit 3'\nstep two 9 true")
    assert r == 1
    assert said[0] == "FAILED one (0 s)" and said[1] == "  | 60" and said[40] == "  | 99"
    assert said[-2:] == ["ok two (0 s)", "1 passed, 1 failed"]


def test_a_step_that_hangs_is_ended(ci):
    r, said = ci("step one 1 sleep 60")
    assert r == 1 and "  it was given 1 s" in said and said[-1] == "0 passed, 1 failed"


def test_all_steps_together_have_a_limit(ci):
    r, said = ci("step one 60 sleep 60\nstep two 60 sleep 60\nstep three 60 sleep 60", seconds=1)
    assert r == 1 and said[-1] == "0 passed, 3 failed"


def test_a_command_that_is_missing_fails(ci):
    r, said = ci("step one 9 no-such-command")
    assert r == 1 and said[-1] == "0 passed, 1 failed"


@pytest.mark.parametrize("log,line", [
    ("===== 2 failed, 104 passed, 3 skipped in 5.57s =====", "104 passed, 2 failed, 3 skipped"),
    ("104 passed, 1 warning in 65.57s (0:01:05)", "104 passed, 0 failed"),
    ("5 deselected, 1 error in 0.10s", "0 passed, 1 failed"),
    ("Ok:                 12  \nExpected Fail:      1   \nFail:               2   \n"
     "Unexpected Pass:    0   \nSkipped:            4   \nTimeout:            1   ",
     "13 passed, 3 failed, 4 skipped"),
    ("nothing that counts", "1 passed, 0 failed"),
    ("Ok: 3\n7 passed in 1.00s", "10 passed, 0 failed"),
])
def test_counts(ci, log, line):
    """Also when the command itself ended well: a failure that was counted is one."""
    r, said = ci(f"step one 9 printf '%b\\n' '{log}'")
    assert said[-1] == line
    assert r == (0 if " 0 failed" in line else 1)


def test_choosing_steps(ci):
    table = "step deps 9 true\nstep test 9 true\npart=check\nstep one 9 true\nstep two 9 true"
    assert ci(table, "two")[1] == ["ok two (0 s)", "1 passed, 0 failed"]
    assert ci(table, "check")[1][:-1] == ["ok deps (0 s)", "ok one (0 s)", "ok two (0 s)"]
    assert ci(table, "three")[0] == 1


def test_an_empty_suite_is_no_success(tree):
    tree.write("meson.build", "project('x', 'c', version: '0')\n"
                              "test('a', find_program('true'), suite: ['unit', 'quick'])\n"
                              "test('b', find_program('false'), suite: 'bad')\n")
    assert tree.run("meson", "setup", "build").returncode == 0
    for suites, ends in (["unit"], 0), (["unit", "quick"], 0), (["bad"], 1):
        run = tree.tool("suite", "build", *suites)
        assert run.returncode == ends, run.stdout
    run = tree.tool("suite", "build", "unit", "golden")
    assert run.returncode == 1 and 'suite "golden"' in run.stdout
    assert tree.tool("suite", "build", "uni").returncode == 1


FUZZ = """#include <stddef.h>
#include <stdint.h>
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        if (size > 1 && data[0] == 'O' && data[1] == 'h')
                __builtin_trap();
        return 0;
}
"""


@pytest.mark.skipif(not shutil.which("clang-14"), reason="clang-14 is not installed")
def test_fuzz(tree):
    tools = tree.own_tools()
    tree.write("f.c", FUZZ)
    (tree.path / "build/test/fuzz").mkdir(parents=True)
    assert tree.run(tools / "fuzz", "build", 1).returncode == 1  # no target

    made = tree.run("clang-14", "-fsanitize=fuzzer", "f.c", "-o", "build/test/fuzz/fuzz_word")
    assert made.returncode == 0, made.stdout
    run = tree.run(tools / "fuzz", "build", 1)
    assert run.returncode != 0 and "test/corpus/word is missing" in run.stdout

    tree.write("test/corpus/word/1", "Oh")
    run = tree.run(tools / "fuzz", "build", 1)
    assert run.returncode != 0 and "word broke" in run.stdout

    tree.write("f.c", FUZZ.replace("__builtin_trap()", "return 0"))
    tree.run("clang-14", "-fsanitize=fuzzer", "f.c", "-o", "build/test/fuzz/fuzz_word")
    run = tree.run(tools / "fuzz", "build", 1)
    assert run.returncode == 0 and "nothing broke" in run.stdout, run.stdout
