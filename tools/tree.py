#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Our own text files: what git tracks or would track. Without git, everything that is not built."""

import os
import subprocess
import sys

NOT_OURS = ("build", "run", "node_modules", "__pycache__", ".git", ".cache", ".pytest_cache")


def files(root, *endings):
    """Paths under root, relative to it and sorted; with endings, only those that end so."""
    root = os.path.abspath(root)
    found = []
    try:
        git = subprocess.run(
            ["git", "-C", root, "ls-files", "-z", "-co", "--exclude-standard"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
        found = [os.fsdecode(name) for name in git.stdout.split(b"\0") if name]
    except (OSError, subprocess.CalledProcessError):
        for folder, below, names in os.walk(root):
            below[:] = [b for b in below if b not in NOT_OURS and not b.startswith("build-")]
            found += [os.path.relpath(os.path.join(folder, name), root) for name in names]
    return sorted({
        name for name in found
        if (not endings or name.endswith(endings)) and os.path.isfile(os.path.join(root, name))
        and not os.path.islink(os.path.join(root, name))})


if __name__ == "__main__":
    for name in files(os.path.join(os.path.dirname(__file__), ".."), *sys.argv[1:]):
        print(name)
