#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A service that looks and dies as it is told: small, quick to start, and a witness of its own lives.

    sham.py ROOT PORT

What it shall do stands in ROOT/sham.json, which is looked at all the time; see MODE. What it saw stands in
ROOT/lives, one line per birth and end, and in ROOT/asked, one line per request to its page. Times are
seconds since boot. If it is ever started while another one lives, it says DOUBLE and goes.
"""

import fcntl
import json
import os
import select
import signal
import socket
import sys
import threading
import time

MODE = {
    "status": 200,       # of the page
    "delay": 0,          # of the page's answer, seconds; counted only for new requests
    "is_frozen": False,  # the page answers, last_update stands still
    "is_deaf": False,    # the page takes the connection and never answers
    "beats": True,       # the heartbeat file is touched
    "memory_mb": 0,      # held beyond what Python needs
    "connections": 0,    # open, both ends held; an even number
    "start_s": 0,        # before the page is there; read once
    "stop_s": 0,         # between SIGTERM and the end
    "live_s": None,      # dies this long after its birth
    "exit": 1,           # ... with this code; 0 - n: by signal n
    "fork": 0,           # workers
}
STEP_S = 0.05

root = sys.argv[1]
born = time.clock_gettime(time.CLOCK_BOOTTIME)


def now():
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def note(name, text):
    """One write: the lines of several processes stay whole."""
    fd = os.open(os.path.join(root, name), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.write(fd, ("%.6f %s\n" % (now(), text)).encode())
    os.close(fd)


def read_mode():
    try:
        with open(os.path.join(root, "sham.json")) as file:
            return dict(MODE, **json.load(file))
    except (OSError, ValueError):
        return dict(MODE)


class Page(threading.Thread):
    def __init__(self, port):
        super().__init__(daemon=True)
        self.moved = "%.6f" % time.time()
        self.server = socket.socket()
        self.server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.server.bind(("127.0.0.1", port))
        self.server.listen(64)
        self.waiting = []  # those who will not get an answer, or not yet

    def run(self):
        while True:
            due = min((at for at, _ in self.waiting if at), default=None)
            wait = None if due is None else max(0, due - now())
            if select.select([self.server], [], [], wait)[0]:
                self.take(self.server.accept()[0])
            for item in list(self.waiting):
                if item[0] and item[0] <= now():
                    self.waiting.remove(item)
                    self.answer(item[1])

    def take(self, client):
        note("asked", "-")
        client.settimeout(1)
        try:
            client.recv(4096)
        except OSError:
            pass
        if mode["is_deaf"]:
            self.waiting = [item for item in self.waiting if item[0]][:8] + [(None, client)]
        elif mode["delay"]:
            self.waiting.append((now() + mode["delay"], client))
        else:
            self.answer(client)

    def answer(self, client):
        if not mode["is_frozen"]:
            self.moved = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + "+00:00"
        body = json.dumps({"status": "ok", "last_update": self.moved, "pid": os.getpid()})
        head = "HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (
            mode["status"], len(body))
        try:
            client.sendall((head + body).encode())
        except OSError:
            pass  # whoever asked has given up
        client.close()


def on_term(*_):
    note("lives", "term %d" % os.getpid())
    end = now() + mode["stop_s"]
    while now() < end:
        time.sleep(STEP_S)
    note("lives", "exit %d 0" % os.getpid())
    os._exit(0)


def die(code):
    note("lives", "exit %d %d" % (os.getpid(), code))
    if code < 0:
        os.kill(os.getpid(), -code)
        time.sleep(5)
    os._exit(code)


def work(parent):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(0)


def obey():
    """What the mode says of things that are held."""
    while len(held) < mode["connections"]:
        held.append(socket.create_connection(exchange.getsockname()))
        held.append(exchange.accept()[0])
    while len(held) > mode["connections"]:
        held.pop().close()
    if len(memory[0]) != mode["memory_mb"] << 20:
        memory[0] = b"x" * (mode["memory_mb"] << 20)
    while len(workers) < mode["fork"]:
        pid = os.fork()
        if pid == 0:
            work(int(os.environ["SHAM_PID"]))
        workers.append(pid)
        note("lives", "worker %d" % pid)
    if mode["beats"]:
        os.utime(beat)


only = open(os.path.join(root, "sham.lock"), "w")
try:
    fcntl.flock(only, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    note("lives", "DOUBLE %d" % os.getpid())
    sys.exit(1)
note("lives", "start %d" % os.getpid())
os.environ["SHAM_PID"] = str(os.getpid())

mode = read_mode()
held = []
exchange = socket.create_server(("127.0.0.1", 0))
memory = [b""]
workers = []
signal.signal(signal.SIGTERM, on_term)
beat = os.path.join(root, "beat")
open(beat, "a").close()
time.sleep(mode["start_s"])
if int(sys.argv[2]):
    Page(int(sys.argv[2])).start()
note("lives", "ready %d" % os.getpid())

while True:
    mode = read_mode()
    obey()
    if mode["live_s"] is not None and now() - born >= mode["live_s"]:
        die(mode["exit"])
    if workers:
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            pass
    time.sleep(STEP_S)
