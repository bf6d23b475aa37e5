# SPDX-License-Identifier: Apache-2.0
"""tools/layers: every kind of include against the direction is found, and only those."""

import pytest

GOOD = [
    ("src/judge/level.c", '"judge/level.h"'),
    ("src/judge/level.c", '"base/time.h"'),
    ("src/judge/level.c", '"model/level.h"'),
    ("src/judge/trend.c", "<math.h>"),
    ("src/service/systemd.c", '"sense/process.h"'),
    ("src/act/restart.c", '"service/service.h"'),
    ("src/app/warden.c", '"cli/cli.h"'),
    ("src/cli/status.c", '"judge/judge.h"'),
    ("src/io/fetch.c", "<curl/curl.h>"),
    ("src/store/store.c", "<sqlite3.h>"),
]
BAD = [
    ("src/judge/level.c", '"base/clock.h"', "judge may include"),
    ("src/judge/level.c", '"io/loop.h"', "must not know"),
    ("src/judge/level.c", "<time.h>", "pure"),
    ("src/base/text.c", '"model/level.h"', "must not know"),
    ("src/hear/http.c", '"tell/outbox.h"', "must not know"),
    ("src/sense/host.c", '"service/service.h"', "must not know"),
    ("src/cli/status.c", '"app/warden.h"', "must not know"),
    ("src/tell/telegram.c", "<curl/curl.h>", "io/fetch only"),
    ("src/io/fetcher.c", "<curl/curl.h>", "io/fetch only"),
    ("src/hear/log.c", '"log.h"', "without its folder"),
    ("src/hear/log.c", '"../io/loop.h"', "climbs"),
    ("src/misc/things.c", '"base/text.h"', "not a layer"),
]


@pytest.mark.parametrize("name,include", GOOD)
def test_along_the_direction(tree, name, include):
    tree.write(name, f"#include {include}\n")
    run = tree.tool("layers", ".")
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("name,include,why", BAD)
def test_against_the_direction(tree, name, include, why):
    tree.write("src/base/fine.c", "#include <string.h>\n")
    tree.write(name, f"\n  #  include {include}\n")
    run = tree.tool("layers", ".")
    assert run.returncode == 1
    assert why in run.stdout and run.stdout.startswith(name + ":")
    assert len(run.stdout.splitlines()) == 1


def test_nothing_to_look_at_is_no_success(tree):
    assert tree.tool("layers", ".").returncode != 0
