# SPDX-License-Identifier: Apache-2.0
"""A small tree of its own for every test, and a way to run our tools on it."""

import os
import pathlib
import shutil
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
HEAD = "/* SPDX-License-Identifier: Apache-2.0 */\n"
# What whoever runs these tests (make, .ci/run) has set for its own purposes.
NOT_OURS = ("SETUP", "BUILD", "DEPS", "PREFIX", "DESTDIR", "CC", "CI_TABLE", "CI_SECONDS",
            "MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES")
ESSAY = HEAD + "\n/*\n * One.\n * Two.\n * Three.\n */\n\n"


class Tree:
    """Files below a folder that is no git work tree, so that every file in it counts."""

    def __init__(self, path):
        self.path = path

    def write(self, name, text, mode=0o644):
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)
        return file

    def c(self, name, body, essay=ESSAY):
        return self.write(name, essay + body)

    def own_tools(self):
        """A copy of the tools, for those that find the tree by their own place."""
        shutil.copytree(TOP / "tools", self.path / "tools", dirs_exist_ok=True)
        return self.path / "tools"

    def run(self, *argv, **kwargs):
        env = {name: value for name, value in os.environ.items() if name not in NOT_OURS}
        kwargs.setdefault("env", dict(env, GIT_CEILING_DIRECTORIES=str(self.path.parent)))
        return subprocess.run([str(a) for a in argv], cwd=self.path, text=True, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=120, **kwargs)

    def tool(self, name, *arguments):
        return self.run(TOP / "tools" / name, *arguments)


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)
