# SPDX-License-Identifier: Apache-2.0
"""tools/tidy: each rule finds what it is for, at its line, and keeps quiet about what looks alike."""

import pytest

from conftest import ESSAY, HEAD

NOTE = "TO" + "DO"
BAD_CODE = [
    ("n = strtol(text, NULL, 10);", "strtol()"),
    ("n = atoi (text);", "atoi()"),
    ('sscanf(text, "%d", &n);', "sscanf()"),
    ("strcpy(a, b);", "strcpy()"),
    ("strcat(a, b);", "strcat()"),
    ('sprintf(a, "%d", n);', "sprintf()"),
    ("gettimeofday(&tv, NULL);", "gettimeofday()"),
    ("now = time(NULL);", "time()"),
    ("clock_gettime(CLOCK_MONOTONIC, &ts);", "clock_gettime()"),
    ('system("ls");', "system()"),
    ('f = popen("ls", "r");', "popen()"),
    ("exit(1);", "exit()"),
    ("p = alloca(n);", "alloca()"),
    ("sleep(1);", "sleep()"),
    ("usleep(1);", "usleep()"),
    ("nanosleep(&ts, NULL);", "nanosleep()"),
    ('f = fopen(path, "r");', "fopen()"),
    ("f = fopen(path, mode);", "fopen()"),
    ("n++; // a private note", "private note"),
    ("/* " + NOTE + ": later */", NOTE),
    ("n = 1; ", "blanks at the end"),
    ("service_restart(service, true);", "bare true"),
    ("service_restart(service, /* why */ false);", "bare false"),
    ("r = open_it(first(a), true, x);", "bare true"),
    ('path = "/home/' + 'somebody/file";', "somebody's machine"),
    ('path = "/ro' + 'ot/file";', "somebody's machine"),
]
GOOD_CODE = [
    'f = fopen(path, "re");',
    "record->time (now);",
    "record.time(now);",
    "usec_t uptime(void);",
    "event_time(e);",
    "_exit(127);",
    'text = "use sleep(1) // or atoi(x)";',
    "/* sleep(1) and time(NULL) are named here only */",
    "service_restart(service, /* dry_run= */ true);",
    "assert_int_equal(x, true);",
    "assert(false);",
    "STORY(0, true);",
    "Story s = { 0, true };",
    "if (x == true) return (false);",
    'path = "/home/ubuntu/AlbraTrading";',
    "char name[] = \"file.XXXXXX\";",
    'url = "http://127.0.0.1/";',
]


@pytest.mark.parametrize("code,what", BAD_CODE)
def test_found_at_its_line(tree, code, what):
    file = tree.c("src/base/a.c", f"int f(void) {{\n        {code}\n}}\n")
    line = file.read_text().splitlines().index("        " + code) + 1
    run = tree.tool("tidy", ".")
    assert run.returncode == 1, run.stdout
    assert f"src/base/a.c:{line}: " in run.stdout and what in run.stdout
    assert "tidy: 1 findings" in run.stdout


@pytest.mark.parametrize("code", GOOD_CODE)
def test_looks_alike_but_is_not(tree, code):
    tree.c("src/base/a.c", f"int f(void) {{\n        {code}\n}}\n")
    run = tree.tool("tidy", ".")
    assert run.returncode == 0, run.stdout


def test_the_homes_of_banned_calls(tree):
    tree.c("src/base/clock.c", "int f(void) { clock_gettime(0, &ts); }\n")
    tree.c("src/app/main.c", "int main(void) { exit(1); }\n")
    assert tree.tool("tidy", ".").returncode == 0


def test_licence_and_essay(tree):
    tree.write("src/base/a.c", "int a;\n")
    tree.write("src/base/b.c", HEAD + "\nint b;\n")
    tree.write("src/base/c.c", HEAD + "\n/* One line. */\n\nint c;\n")
    tree.write("src/base/d.c", HEAD + "\nint d;\n/*\n * One.\n * Two.\n * Three.\n */\n")
    tree.write("src/base/e.c", ESSAY + "int e;\n")
    tree.write("src/base/f.h", "#pragma once\n")
    tree.write("tools/g", "#!/bin/sh\necho\n")
    tree.write("h.py", "print()\n")
    tree.write("tools/i", "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n")
    said = tree.tool("tidy", ".").stdout
    licence = {line.split(":")[0] for line in said.splitlines() if "SPDX" in line}
    essay = {line.split(":")[0] for line in said.splitlines() if "essay" in line}
    assert licence == {"src/base/a.c", "src/base/f.h", "tools/g", "h.py"}
    assert essay == {f"src/base/{x}.c" for x in "abcd"}


def test_the_place_of_the_tree_is_not_told(tree):
    tree.write("docs/a.md", f"See {tree.path}/src.\n")
    run = tree.tool("tidy", ".")
    assert run.returncode == 1 and "where this tree lay" in run.stdout


def test_captured_material_is_left_alone(tree):
    tree.write("test/fixture/host.c", "atoi(x); \n")
    tree.write("test/corpus/a/1", "x  \n" + NOTE)
    tree.write("docs/a.md", "A hard line break  \nand " + NOTE + " in prose.\n")
    assert tree.tool("tidy", ".").returncode == 0
