#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a full check costs beside what the kernel alone costs for it.

test/bench/sense.py FLOOR BENCH_SENSE [CYCLES]

Starts a small service (60 MB, twenty connections and as many files), lets both programs look at it
in turn, several times, and prints the medians. Processor time, not time on the wall. Fails when the
check costs more than one and a half times the floor.
"""

import re
import shutil
import statistics
import subprocess
import sys

MOST = 1.5
ROUNDS = 7
SERVICE = """
import signal, socket, sys
listener = socket.create_server(("127.0.0.1", 0), backlog=32)
ours = [socket.create_connection(listener.getsockname()) for _ in range(10)]
theirs = [listener.accept()[0] for _ in ours]
files = [open("/dev/null") for _ in range(20)]
memory = b"x" * (60 << 20)
print("ready", flush=True)
signal.pause()
"""


def cost(program, pid, cycles):
    out = subprocess.run([program, str(pid), str(cycles)], check=True, text=True,
                         stdout=subprocess.PIPE).stdout
    each, user, system = re.search(r"([\d.]+) us each \(user ([\d.]+), system ([\d.]+)\)",
                                   out).groups()
    return float(each), float(user), float(system)


def calls(program, pid):
    """System calls of a cycle: of a hundred and one cycles less those of one, so that starting does
    not count. None without strace."""
    if not shutil.which("strace"):
        return None

    def total(cycles):
        run = subprocess.run(["strace", "-c", "-f", program, str(pid), str(cycles)], text=True,
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
        found = re.search(r"^100\.00.*?(\d+)\s+(?:\d+\s+)?total$", run.stderr, re.MULTILINE)
        return int(found.group(1)) if found else None

    few, many = total(1), total(101)
    return None if few is None or many is None else (many - few) / 100


def main():
    floor, sense = sys.argv[1:3]
    cycles = int(sys.argv[3]) if len(sys.argv) > 3 else 1000
    costs = {floor: [], sense: []}

    with subprocess.Popen([sys.executable, "-c", SERVICE], stdout=subprocess.PIPE, text=True,
                          start_new_session=True) as service:
        try:
            if service.stdout.readline() != "ready\n":
                print("sense: the service to look at did not start", file=sys.stderr)
                return 1
            for _ in range(ROUNDS):
                for program in (floor, sense):
                    costs[program].append(cost(program, service.pid, cycles))
            counted = {program: calls(program, service.pid) for program in (floor, sense)}
        finally:
            service.kill()

    medians = {p: [statistics.median(column) for column in zip(*costs[p])] for p in costs}
    print(f"median of {ROUNDS} times {cycles} cycles, CPU per cycle:")
    for name, program in (("the kernel alone", floor), ("a full check", sense)):
        each, user, system = medians[program]
        number = "" if counted[program] is None else f", {counted[program]:.0f} system calls"
        print(f"  {name:18} {each:7.1f} us (user {user:.1f}, system {system:.1f}){number}")

    ratio = medians[sense][0] / medians[floor][0]
    print(f"  ratio {ratio:.2f}, at most {MOST} is allowed")
    return 0 if ratio <= MOST else 1


if __name__ == "__main__":
    sys.exit(main())
