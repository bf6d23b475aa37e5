# SPDX-License-Identifier: Apache-2.0
"""tools/readme-commands: a command that a README shows is one that exists."""

import pytest

GUARD = """#!/bin/sh
case "$1" in
status) echo 'usage: albraguard status [--json] [--config FILE]' ;;
--help) echo 'usage: albraguard VERB' ;;
*) exit 2 ;;
esac
"""


@pytest.fixture
def project(tree):
    tree.write("Makefile", "run:\n\techo run\n")
    tree.write("build/albraguard", GUARD, 0o755)
    tree.write("examples/break", "#!/bin/sh\n", 0o755)
    return tree


def readme(project, *lines):
    text = "# It\n\n```sh\nmake run\n" + "\n".join(lines) + "\n```\n"
    project.write("README.md", text)
    project.write("README.ko.md", text)
    return project.tool("readme-commands", ".")


@pytest.mark.parametrize("line", [
    "git clone URL && cd albraguard   # comment",
    "$ build/albraguard status --json | less",
    "sudo albraguard status --config=/etc/x.yaml",
    "build/albraguard --help",
    "examples/break hang",
    "make \\\n  run",
    "LANG=ko build/albraguard status",
])
def test_exists(project, line):
    run = readme(project, line)
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("line,what", [
    ("make fly", "make -n fly"),
    ("build/albraguard dance", "dance --help"),
    ("build/albraguard status --loud", "--loud"),
    ("examples/bend", "examples/bend"),
    ("gti clone URL", "gti"),
    ("true && make fly", "make -n fly"),
    ("albraguard status |& lesss", "lesss"),
])
def test_does_not_exist(project, line, what):
    run = readme(project, line)
    assert run.returncode == 1 and what in run.stdout
    assert "README.md:5: " in run.stdout and "README.ko.md:5: " in run.stdout


def test_no_command_or_no_readme_is_no_success(project):
    project.write("README.md", "# It\n")
    project.write("README.ko.md", "# It\n")
    assert project.tool("readme-commands", ".").returncode == 1
    (project.path / "README.ko.md").unlink()
    assert "README.ko.md is not there" in project.tool("readme-commands", ".").stdout
