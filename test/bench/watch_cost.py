#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the watch itself costs: memory of warden and clerk, and processor time.

A real watch guards a real process with an API, a log and a heartbeat, at the guide's own intervals,
for a while; what it used is read from the kernel. A second watch with an interval of one second gives
the cost of one whole cycle, judgement, checkpoint and clerk included. BENCH_SMOKE=1 shortens it all.

    watch_cost.py BUILD
"""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time

SMOKE = os.environ.get("BENCH_SMOKE") == "1"

SERVICE = """
import http.server, json, os, pathlib, threading, time
beat = pathlib.Path("beat")
def work():
    with open("log", "a", buffering=1) as log:
        while True:
            beat.touch()
            log.write(time.strftime("%Y-%m-%d %H:%M:%S,000 INFO tick\\n"))
            time.sleep(1)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"last_update": time.time()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
threading.Thread(target=work, daemon=True).start()
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def config(root, port, interval, sample):
    return textwrap.dedent(f"""\
        root: {root}
        state_dir: {root}/state
        run_dir: {root}/run
        watch: {{ interval: {interval}, sample: {sample}, grace: 2s }}
        services:
          - name: bench
            command: [/usr/bin/env, PORT={port}, /usr/bin/python3, {root}/service.py]
            api: {{ url: "http://127.0.0.1:{port}/", fresh: {{ field: last_update, max_age: 60s }} }}
            logs: {{ files: [log] }}
            heartbeat: {{ file: beat, max_age: 60s }}
        """)


def rollup(pid):
    wanted = {}
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        key, _, rest = line.partition(":")
        if key in ("Pss", "Rss", "Private_Clean", "Private_Dirty"):
            wanted[key] = int(rest.split()[0])
    return wanted


def cpu_seconds(pid):
    """Time on a processor, of all threads, in the scheduler's own nanoseconds (not in clock ticks)."""
    return sum(int(thread.read_text().split()[0])
               for thread in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def measure(program, interval, sample, seconds):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "service.py").write_text(SERVICE)
        (root / "config.yaml").write_text(config(root, free_port(), interval, sample))
        with open(root / "output", "wb") as output:
            watch = subprocess.Popen(
                [program, "watch", "--config", root / "config.yaml"],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            time.sleep(5)
            # Findings (its service has only just started) are exit code 1 and a good answer all the same.
            status = json.loads(subprocess.run(
                [program, "status", "--json", "--config", root / "config.yaml"],
                stdout=subprocess.PIPE).stdout)
            clerk = status["watchdog"]["clerk_pid"]
            before = {pid: cpu_seconds(pid) for pid in (watch.pid, clerk)}
            time.sleep(seconds)
            used = {pid: cpu_seconds(pid) - before[pid] for pid in (watch.pid, clerk)}
            return (rollup(watch.pid), rollup(clerk), used[watch.pid], used[clerk])
        finally:
            watch.send_signal(signal.SIGINT)
            watch.wait(20)


def main():
    program = pathlib.Path(sys.argv[1]).resolve() / "albraguard"
    seconds = 10 if SMOKE else 120
    warden, clerk, warden_cpu, clerk_cpu = measure(program, "30s", "5s", seconds)

    print(f"watch at the guide's intervals, {seconds} s, one service with API, log and heartbeat:")
    print(f"  {'':8} {'PSS':>9} {'private':>9} {'RSS':>9} {'CPU per hour':>14}")
    for name, memory, cpu in (("warden", warden, warden_cpu), ("clerk", clerk, clerk_cpu)):
        private = memory["Private_Clean"] + memory["Private_Dirty"]
        print(f"  {name:8} {memory['Pss']:>6} kB {private:>6} kB {memory['Rss']:>6} kB "
              f"{cpu * 3600 / seconds:>12.1f} s")
    print(f"  monit, for comparison, on such a machine: 2300 kB PSS; aim for the warden: at most 3072 kB"
          f" -> {'met' if warden['Pss'] <= 3072 else 'NOT met'}")

    seconds = 5 if SMOKE else 30
    _, _, warden_cpu, clerk_cpu = measure(program, "1s", "1s", seconds)
    print(f"one whole cycle with everything (interval 1 s, {seconds} s): "
          f"warden {warden_cpu / seconds * 1e6:.0f} us, clerk {clerk_cpu / seconds * 1e6:.0f} us")


main()
