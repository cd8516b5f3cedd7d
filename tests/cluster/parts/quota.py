"""Holding a worker to a part of a core, by a control group of its own.

Control groups of version 2 (`cpu.max`) or 1 (`cpu.cfs_quota_us`), whichever the machine lets this user write. The period is 20 ms unless said, short
beside a request's latency, so that the worker looks slow rather than stopped (containers have 100 ms); longer work is spread over periods.

Where no control group can be made (a container without the right), `throttle` stands in: a process that stops and continues the worker by
signals so that it runs its share of every period. It is coarser: a stopped worker does not even accept connections, the scheduler adds
up to some ms of jitter, and the share is of time, not of CPU used: a worker that was idle in its slot has lost it. Both are named in
the state file as `method`, and a report should say which was used.
"""

import os
import sys
import time
from pathlib import Path

from . import program
from .problem import Problem, say

PERIOD_US = 20_000


def apply(limits, processes, base, period_us=PERIOD_US):
    """Applies the limits (worker's name -> cores). Returns what `remove` needs, None where there are no limits, and the processes it started."""
    if not limits:
        return None, []
    by_name = {process["name"]: process for process in processes}
    for name, cores in limits.items():
        if name not in by_name:
            raise Problem(f"a CPU limit is for {name}, which is no worker; there are {', '.join(by_name) or 'none'}")
        if not 0.01 <= cores <= 64:
            raise Problem(f"a CPU limit of {cores} for {name} is not between 0.01 and 64 cores")
    applied = {"method": None, "period_us": period_us, "limits": limits, "folders": []}
    for version, root in _roots():
        try:
            for name, cores in limits.items():
                place = root / f"wsim-{base}-{name}"
                place.mkdir()
                applied["folders"].append(str(place))
                _write_limit(version, place, cores, period_us)
                (place / "cgroup.procs").write_text(str(by_name[name]["pid"]))
            applied["method"] = f"cgroup v{version}"
            return applied, []
        except OSError as error:
            say(f"no CPU limits by control groups of version {version}: {error}")
            remove(applied)
            applied["folders"] = []
    applied["method"] = "signals"
    throttles = []
    for name, cores in limits.items():
        if cores < 1:
            process = by_name[name]
            command = [sys.executable, "-S", "-c", _THROTTLE, process["pid"], process["started"], cores, period_us]
            throttles.append(program.start(f"throttle-{name}", "throttle", command, process["log"] + ".throttle"))
    say("CPU limits by stopping and continuing: coarser than control groups")
    return applied, throttles


def remove(applied):
    """Deletes the groups; a process that is still in one moves back to the root."""
    for name in applied["folders"] if applied else []:
        place = Path(name)
        for _ in range(50):
            try:
                for pid in (place / "cgroup.procs").read_text().split():
                    (place.parent / "cgroup.procs").write_text(pid)
                place.rmdir()
                break
            except FileNotFoundError:
                break
            except OSError:
                time.sleep(0.05)


def throttled_seconds(applied):
    """worker's name -> seconds that it was held back by its control group; empty for signals."""
    found = {}
    for name, place in zip(applied["limits"], applied["folders"]) if applied else []:
        for line in (Path(place) / "cpu.stat").read_text().splitlines():
            key, _, value = line.partition(" ")
            if key == "throttled_time":
                found[name] = int(value) / 1e9
            elif key == "throttled_usec":
                found[name] = int(value) / 1e6
    return found


def _roots():
    """Where groups can be made: (version, folder)."""
    for place in ("/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"):
        if os.access(f"{place}/cgroup.procs", os.W_OK):
            yield 1, Path(place)
            break
    for place in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        controllers = Path(place) / "cgroup.controllers"
        if controllers.exists() and "cpu" in controllers.read_text().split() and os.access(f"{place}/cgroup.procs", os.W_OK):
            yield 2, Path(place)


def _write_limit(version, place, cores, period_us):
    share = int(cores * period_us)
    if version == 1:
        (place / "cpu.cfs_period_us").write_text(str(period_us))
        (place / "cpu.cfs_quota_us").write_text(str(share))
        return
    control = place.parent / "cgroup.subtree_control"
    if "cpu" not in control.read_text().split():
        control.write_text("+cpu")
    (place / "cpu.max").write_text(f"{share} {period_us}")


# Ends with the worker; always leaves it running.
_THROTTLE = """
import os, signal, sys, time
pid, began, cores, period = int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), int(sys.argv[4]) / 1e6
def ours():
    try:
        return open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[19] == began
    except OSError:
        return False
def leave(*_):
    if ours():
        os.kill(pid, signal.SIGCONT)
    sys.exit(0)
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, leave)
edge = time.monotonic()
while ours():
    os.kill(pid, signal.SIGCONT)
    time.sleep(max(0.0, edge + cores * period - time.monotonic()))
    if not ours():
        break
    os.kill(pid, signal.SIGSTOP)
    edge += period
    time.sleep(max(0.0, edge - time.monotonic()))
leave()
"""
