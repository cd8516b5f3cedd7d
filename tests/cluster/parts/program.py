"""Starts processes in their own process groups, waits for them, identifies them by pid and start time, and stops them.

A process is a dict in the state file: `name`, `kind` (one of KINDS), `pid`, `started` (clock ticks since boot, field 22 of /proc/PID/stat,
which differs if the pid was reused), `log` (the file with its output), `port`: a number, the path of a unix socket, or None.
"""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from .problem import Problem, say

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
STOP_SECONDS = 10
# In the order of stopping. A throttle comes before its worker: a worker that is suspended cannot handle SIGTERM.
KINDS = ("watchdog", "throttle", "proxy", "synapse", "database")
# Every process that this command started.
STARTED = []


def start(name, kind, command, log, *, port=None, cwd=None, stdout=None):
    """Starts a program that stays in the foreground. Writes its output to `log`, or standard output to `stdout`. Does not wait until it is ready."""
    with open(log, "ab") as errors, open(stdout or log, "ab") as out:
        child = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=out, stderr=errors, start_new_session=True, cwd=cwd
        )
    _CHILDREN.append(child)
    process = {"name": name, "kind": kind, "pid": child.pid, "started": started(child.pid), "log": str(log), "port": port}
    STARTED.append(process)
    return process


def cores(text):
    """The processors of a list like `0,2-3`."""
    found = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if not first.isdigit() or dash and not last.isdigit():
            raise Problem(f"{text} is no list of cores; write 1, 0,2 or 2-3")
        found.update(range(int(first), int(last or first) + 1))
    if not found <= set(range(os.cpu_count())):
        raise Problem(f"this machine has the cores 0 to {os.cpu_count() - 1}, not all of {text}")
    return found


def started(pid):
    """The start time of the process in ticks since boot; None if there is no such process or only a zombie."""
    fields = _stat(pid)
    return None if fields is None or fields[0] == "Z" else int(fields[19])


def alive(process):
    """Whether the process is running, and its pid was not reused."""
    return process["started"] is not None and started(process["pid"]) == process["started"]


def wait(processes, ready, seconds):
    """Waits until `ready(process)` holds for each process. Raises a Problem with the end of the log if a process ends or is not ready in time."""
    deadline = time.monotonic() + seconds
    waiting = list(processes)
    while waiting:
        for process in list(waiting):
            if ready(process):
                waiting.remove(process)
            elif not alive(process):
                raise Problem(f"{process['name']} ended while starting\n{last_output(process)}")
        if waiting and time.monotonic() > deadline:
            raise Problem(f"{waiting[0]['name']} was not ready within {seconds} s\n{last_output(waiting[0])}")
        if waiting:
            time.sleep(0.05)


def listens(process):
    """Whether the port or socket of the process accepts connections."""
    try:
        _connected(process["port"]).close()
        return True
    except OSError:
        return False


def _connected(port):
    """A connection to a port of this machine, or to a unix socket."""
    if isinstance(port, int):
        return socket.create_connection(("127.0.0.1", port), timeout=2)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(2)
    connection.connect(port)
    return connection


def healthy(process):
    """Whether `GET /health` returns status 200."""
    if isinstance(process["port"], str):
        return _healthy_at_socket(process["port"])
    try:
        with _NO_PROXY.open(f"http://127.0.0.1:{process['port']}/health", timeout=2) as response:
            return response.status == 200
    except (OSError, urllib.error.URLError, ValueError):
        return False


def _healthy_at_socket(path):
    try:
        with _connected(path) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return connection.makefile("rb").readline().split()[1:2] == [b"200"]
    except OSError:
        return False


def ports_in_use(ports):
    """Those of the ports that are in use."""
    found = []
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                found.append(port)
    return found


def last_output(process, lines=25):
    """The last lines of a process's output, and of its log file if it has one."""
    out = []
    log = Path(process["log"])
    for file in (log, log.with_suffix(".log")):
        if file.exists() and file.stat().st_size:
            text = file.read_bytes()[-20_000:].decode(errors="replace").splitlines()[-lines:]
            out.append(f"--- the end of {file}:")
            out.extend("    " + line for line in text)
    return "\n".join(out) or f"--- {log} is empty"


def stop(processes):
    """Stops all processes in the order of KINDS. Returns the names of those that had to be killed."""
    killed = []
    for kind in KINDS:
        # This command may be the watchdog process itself.
        group = [process for process in processes if process["kind"] == kind and process["pid"] != os.getpid() and alive(process)]
        for process in group:
            # PostgreSQL: SIGINT is the fast shutdown, SIGTERM waits for clients to leave.
            _signal(process, signal.SIGINT if process["name"] == "postgres" else signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline and any(alive(process) for process in group):
            _reap()
            time.sleep(0.02)
        for process in group:
            if alive(process):
                killed.append(process["name"])
                _signal(process, signal.SIGKILL, whole_group=True)
    _reap()
    return killed


def cpu_seconds(pid):
    """CPU seconds of a process so far, and those of its children that have ended; None if the process has ended."""
    fields = _stat(pid)
    if fields is None:
        return None
    own, reaped = int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])
    return own / TICKS_PER_SECOND, reaped / TICKS_PER_SECOND


def descendants(pid):
    """The pids of all descendants of a process."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (fields := _stat(int(entry))) is not None:
            children.setdefault(int(fields[1]), []).append(int(entry))
    found, pending = [], [pid]
    while pending:
        for child in children.get(pending.pop(), []):
            found.append(child)
            pending.append(child)
    return found


def _stat(pid):
    """The fields of /proc/PID/stat after the command's name, which may contain any character. Field `[0]` is the state."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()


def _signal(process, number, whole_group=False):
    try:
        if whole_group:
            os.killpg(process["pid"], number)
        else:
            os.kill(process["pid"], number)
    except ProcessLookupError:
        pass
    except PermissionError:
        say(f"{process['name']} (pid {process['pid']}) belongs to another user and was left running")


def _reap():
    """Collects the status of children that have ended, which are zombies until then."""
    for child in _CHILDREN:
        child.poll()


_CHILDREN = []
# Connections to loopback must not use a proxy, even if the environment names one.
_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
