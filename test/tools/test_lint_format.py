# SPDX-License-Identifier: Apache-2.0
"""tools/format and tools/lint: they look at our files, and only a clean tree passes."""

import json
import shutil

import pytest

from conftest import ESSAY, TOP

CLEAN = ESSAY + "int plain(int n);\n\nint plain(int n) {\n        return n + 1;\n}\n"


@pytest.fixture
def ours(tree):
    tree.own_tools()
    shutil.copy(TOP / ".clang-format", tree.path)
    shutil.copy(TOP / ".clang-tidy", tree.path)
    tree.write("src/base/a.c", CLEAN)
    return tree


@pytest.mark.skipif(not shutil.which("clang-format-14"), reason="clang-format-14 is not installed")
def test_format(ours):
    assert ours.run("tools/format", "--check").returncode == 0
    ours.write("src/base/b.c", CLEAN.replace("n + 1", "n+1"))
    run = ours.run("tools/format", "--check")
    assert run.returncode != 0 and "src/base/b.c" in run.stdout
    assert ours.run("tools/format").returncode == 0
    assert (ours.path / "src/base/b.c").read_text() == CLEAN


@pytest.mark.skipif(not shutil.which("clang-tidy-14"), reason="clang-tidy-14 is not installed")
def test_lint(ours):
    def database(*names):
        ours.write("build/compile_commands.json", json.dumps([
            {"directory": str(ours.path / "build"), "file": f"../{name}",
             "command": f"clang -c ../{name}"} for name in names]))

    database("src/base/a.c")
    run = ours.run("tools/lint", "build")
    assert run.returncode == 0 and "1 files" in run.stdout, run.stdout

    ours.write("src/base/b.c", CLEAN.replace("plain", "badName").replace("src", "x"))
    ours.write("build/generated.c", "int BadName;\n")
    database("src/base/a.c", "src/base/b.c", "build/generated.c", "src/base/gone.c")
    run = ours.run("tools/lint", "build")
    assert run.returncode == 1
    assert "badName" in run.stdout and "1 of 2 files" in run.stdout

    database("build/generated.c")
    assert ours.run("tools/lint", "build").returncode != 0
