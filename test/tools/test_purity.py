# SPDX-License-Identifier: Apache-2.0
"""tools/purity: whatever reaches for the world is named, also through our own lower libraries."""

import pytest


def archive(tree, name, code, kind="rcs"):
    tree.write(f"src/{name}/{name}.c", code)
    (tree.path / "build" / "src" / name).mkdir(parents=True)
    made = tree.run("sh", "-c", f"cd build/src/{name} && cc -O0 -c ../../../src/{name}/{name}.c && "
                                f"ar {kind} lib{name}.a {name}.o")
    assert made.returncode == 0, made.stdout


PURE = """#include <assert.h>
#include <math.h>
#include <string.h>
int lower(int);
int judge(int n) { char b[99]; assert(n); memset(b, n, sizeof(b)); return (int) sqrt(n) + b[n]; }
"""


@pytest.mark.parametrize("kind", ["rcs", "rcsT"])
def test_pure(tree, kind):
    archive(tree, "judge", PURE, kind)
    run = tree.tool("purity", "build")
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("call", ["time(0)", "malloc(9)", "open(p, 0)", "printf(p)", "getenv(p)"])
def test_impure(tree, call):
    head = "#include <fcntl.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <time.h>\n"
    archive(tree, "judge", f"{head}long judge(char *p) {{ return (long) {call} + *p; }}\n")
    run = tree.tool("purity", "build")
    assert run.returncode == 1
    assert f"{call.split('(')[0]} is wanted by libjudge.a:judge.o" in run.stdout


def test_impure_through_a_lower_library(tree):
    archive(tree, "judge", "int lower(int); int judge(int n) { return lower(n); }\n")
    assert tree.tool("purity", "build").returncode == 1  # lower() comes from nowhere
    archive(tree, "base", "#include <unistd.h>\nint lower(int n) { return n + getpid(); }\n")
    run = tree.tool("purity", "build")
    assert run.returncode == 1
    assert "getpid is wanted by libjudge.a:judge.o -> lower in libbase.a:base.o" in run.stdout


def test_no_archive_is_no_success(tree):
    (tree.path / "build").mkdir()
    assert tree.tool("purity", "build").returncode != 0
