# SPDX-License-Identifier: Apache-2.0
"""tools/deps, tools/build, tools/demo and the Makefile, on a machine and a project made for the test."""

import socket

import pytest

from conftest import TOP


class Machine:
    """A PATH of our own, whose dpkg-query and apt-get only write down what was asked."""

    def __init__(self, tree):
        self.tree = tree
        self.fake("dpkg-query", 'for p in gcc libc6-dev git; do echo "$p ii "; done; exit 1')
        self.fake("apt-cache", 'case "$2" in libhyperscan-dev) ;; *) echo "  Candidate: 1";; esac')
        self.fake("apt-get", 'echo "$@" >>"$ASKED"')
        self.fake("id", "echo 0")

    def fake(self, name, body):
        self.tree.write(f"bin/{name}", f"#!/bin/sh\n{body}\n", 0o755)

    def deps(self, *arguments, path_ends=":/usr/bin:/bin"):
        self.asked = self.tree.path / "asked"
        self.asked.write_text("")
        return self.tree.run(TOP / "tools/deps", *arguments, env={
            "PATH": f"{self.tree.path}/bin{path_ends}", "ASKED": str(self.asked)})


@pytest.fixture
def machine(tree):
    return Machine(tree)


def test_deps_installs_what_is_missing_and_the_alternative(machine):
    run = machine.deps("build")
    assert run.returncode == 0, run.stdout
    install = machine.asked.read_text().splitlines()[-1].split()
    assert "install" in install and "meson" in install and "libvectorscan-dev" in install
    assert not {"gcc", "libc6-dev", "libhyperscan-dev", "python3"} & set(install)
    assert "meson" in run.stdout


def test_deps_asks_nobody_when_all_is_there(machine):
    wanted = machine.deps("--list", "check").stdout.split()
    # The alternative also satisfies; a package that is only half there does not.
    names = [entry.split("|")[-1] for entry in wanted]
    machine.fake("dpkg-query", "\n".join(f"echo '{n} ii '" for n in names))
    run = machine.deps("check")
    assert run.returncode == 0 and machine.asked.read_text() == ""
    assert len(run.stdout.splitlines()) == 1
    machine.fake("dpkg-query", "\n".join(f"echo '{n} {'rc' if n == 'gcc' else 'ii'} '" for n in names))
    machine.deps("check")
    assert machine.asked.read_text().split()[-1] == "gcc"


def test_deps_levels_include_one_another(machine):
    lists = [machine.deps("--list", level).stdout.split()
             for level in ("build", "run", "test", "check")]
    for smaller, larger in zip(lists, lists[1:]):
        assert set(smaller) < set(larger)
    assert machine.deps("everything").returncode == 2


def test_deps_says_what_stands_in_the_way(machine):
    machine.fake("apt-get", 'echo "Could not resolve the mirror"; exit 100')
    run = machine.deps("build")
    assert run.returncode == 1 and "Could not resolve" in run.stdout and "network" in run.stdout

    machine.fake("apt-cache", "exit 0")
    run = machine.deps("build")
    assert run.returncode == 1 and "does not offer" in run.stdout

    machine.fake("id", "echo 1000")
    machine.fake("sudo", "exit 1")
    run = machine.deps("build")
    assert run.returncode == 1 and "sudo was refused" in run.stdout


def test_deps_elsewhere_than_debian(machine):
    for name in ("dpkg-query", "apt-get"):
        (machine.tree.path / "bin" / name).unlink()
    for name in ("sh", "env", "printf"):
        machine.fake(name, f'exec /bin/{name} "$@"')
    run = machine.deps("build", path_ends="")
    assert run.returncode == 1 and "make DEPS=: TARGET" in run.stdout


MESON = "project('x', 'c', version: '0')\nexecutable('albraguard', 'a.c')\n"
MAIN = "int main(void) { return 0; }\n"


@pytest.fixture
def project(tree):
    tree.own_tools()
    tree.write("Makefile", (TOP / "Makefile").read_text())
    tree.write("meson.build", MESON)
    tree.write("a.c", MAIN)
    return tree


def test_build(project):
    first = project.run("make", "DEPS=:", "build")
    assert first.returncode == 0 and "setting up build" in first.stdout, first.stdout
    again = project.run("make", "DEPS=:", "build")
    assert again.returncode == 0 and again.stdout == ""

    other = project.run("make", "DEPS=:", "SETUP=-Dwerror=true", "build")
    assert "setting up build" in other.stdout

    project.write("a.c", "int main(void) { return oops; }\n")
    broken = project.run("make", "DEPS=:", "SETUP=-Dwerror=true", "build")
    assert broken.returncode != 0 and "oops" in broken.stdout


def test_build_does_not_empty_what_is_not_its_own(project):
    project.write("precious/file", "x")
    assert project.run("tools/build", "precious").returncode == 0
    assert (project.path / "precious/file").read_text() == "x"


def test_build_shows_warnings(project):
    project.write("a.c", "int main(void) { int unused; return 0; }\n")
    run = project.run("make", "DEPS=:", "build")
    assert run.returncode == 0 and "unused" in run.stdout


def demo(project, guard):
    project.write("examples/config.yaml.in", "root: @ROOT@\nrepo: @REPO@\nport: @PORT@\n")
    project.write("build/albraguard", f"#!/bin/sh\n{guard}\n", 0o755)
    return project.run("tools/demo")


def test_demo_writes_its_configuration_and_watches(project):
    run = demo(project, 'echo "called: $*"; [ "$1" != status ]')
    assert run.returncode == 0, run.stdout
    assert run.stdout.splitlines()[-1] == "called: watch --config run/demo/config.yaml"
    config = (project.path / "run/demo/config.yaml").read_text()
    assert f"root: {project.path}/run/demo\nrepo: {project.path}\nport: 5" in config
    assert (project.path / "run/demo/logs").is_dir() and (project.path / "run/demo/state").is_dir()


def test_demo_takes_the_next_free_port(project):
    taken = []
    for port in (5000, 5001):
        s = socket.socket()
        try:
            s.bind(("127.0.0.1", port))
            s.listen()
        except OSError:
            pass  # Somebody else has it, which serves as well.
        taken.append(s)
    run = demo(project, '[ "$1" != status ]')
    for s in taken:
        s.close()
    assert "port 5000 is taken" in run.stdout
    port = int((project.path / "run/demo/config.yaml").read_text().split("port: ")[1])
    assert port >= 5002 and f"http://127.0.0.1:{port}/" in run.stdout


def test_demo_does_not_disturb_a_running_one(project):
    demo(project, "exit 1")
    (project.path / "run/demo/config.yaml").write_text("mark")
    run = demo(project, "exit 0")
    assert run.returncode == 1 and "already running" in run.stdout
    assert (project.path / "run/demo/config.yaml").read_text() == "mark"
