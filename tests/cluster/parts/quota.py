"""Limits a worker to a part of a core with its own control group.

Uses control groups of version 2 (`cpu.max`) or 1 (`cpu.cfs_quota_us`), whichever this user may write. The default period of 20 ms is shorter than a
request's latency, so that the worker looks slow rather than stopped (containers have 100 ms); longer work is spread over several periods.

If no control group can be created (for example in a container), a `throttle` process stops and continues the worker by signals, so that it runs
for its share of every period. This is coarser: a stopped worker does not accept connections, the scheduler adds some ms of jitter, and the limit
is on time rather than on CPU used, so an idle worker cannot use its share later. The state file names the method; a report should name it too.
"""

import os
import sys
import time
from pathlib import Path

from . import program
from .problem import Problem, say

PERIOD_US = 20_000


def apply(limits, processes, base, period_us=PERIOD_US):
    """Applies the limits (worker's name -> cores). Returns the argument of `remove` (None without limits) and the throttle processes."""
    if not limits:
        return None, []
    by_name = {process["name"]: process for process in processes}
    for name, cores in limits.items():
        if name not in by_name:
            raise Problem(f"a CPU limit is for {name}, which is not a worker; there are {', '.join(by_name) or 'none'}")
        if not 0.01 <= cores <= 64:
            raise Problem(f"a CPU limit of {cores} for {name} is not between 0.01 and 64 cores")
    applied = {"method": None, "period_us": period_us, "limits": limits, "folders": []}
    for version, root in _roots():
        try:
            for name, cores in limits.items():
                group = root / f"wsim-{base}-{name}"
                group.mkdir()
                applied["folders"].append(str(group))
                _write_limit(version, group, cores, period_us)
                (group / "cgroup.procs").write_text(str(by_name[name]["pid"]))
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
    say("CPU limits by stopping and continuing workers, which is coarser than control groups")
    return applied, throttles


def remove(applied):
    """Deletes the control groups. A process that is still in one is moved to the parent group."""
    for name in applied["folders"] if applied else []:
        group = Path(name)
        for _ in range(50):
            try:
                for pid in (group / "cgroup.procs").read_text().split():
                    (group.parent / "cgroup.procs").write_text(pid)
                group.rmdir()
                break
            except FileNotFoundError:
                break
            except OSError:
                time.sleep(0.05)


def lift(applied):
    """Suspends the limits of control groups until `restore`. Limits by signals cannot be suspended."""
    for version, group, _ in _groups(applied):
        if version == 1:
            (group / "cpu.cfs_quota_us").write_text("-1")
        else:
            (group / "cpu.max").write_text(f"max {applied['period_us']}")


def restore(applied):
    """Ends `lift`."""
    for version, group, cores in _groups(applied):
        _write_limit(version, group, cores, applied["period_us"])


def _groups(applied):
    """(version, folder, cores) of every control group."""
    if not applied or not applied["method"].startswith("cgroup v"):
        return []
    version = int(applied["method"].removeprefix("cgroup v"))
    return [(version, Path(folder), cores) for folder, cores in zip(applied["folders"], applied["limits"].values())]


def throttled_seconds(applied):
    """worker's name -> seconds for which its control group has throttled it; empty if signals are used."""
    found = {}
    for name, group in zip(applied["limits"], applied["folders"]) if applied else []:
        for line in (Path(group) / "cpu.stat").read_text().splitlines():
            key, _, value = line.partition(" ")
            if key == "throttled_time":
                found[name] = int(value) / 1e9
            elif key == "throttled_usec":
                found[name] = int(value) / 1e6
    return found


def _roots():
    """The (version, folder) of hierarchies in which groups can be created."""
    for group in ("/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"):
        if os.access(f"{group}/cgroup.procs", os.W_OK):
            yield 1, Path(group)
            break
    for group in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        controllers = Path(group) / "cgroup.controllers"
        if controllers.exists() and "cpu" in controllers.read_text().split() and os.access(f"{group}/cgroup.procs", os.W_OK):
            yield 2, Path(group)


def _write_limit(version, group, cores, period_us):
    share = int(cores * period_us)
    if version == 1:
        (group / "cpu.cfs_period_us").write_text(str(period_us))
        (group / "cpu.cfs_quota_us").write_text(str(share))
        return
    control = group.parent / "cgroup.subtree_control"
    if "cpu" not in control.read_text().split():
        control.write_text("+cpu")
    (group / "cpu.max").write_text(f"{share} {period_us}")


# Ends when the worker ends, and leaves the worker running when it is stopped itself.
_THROTTLE = """
import os, signal, sys, time
pid, began, cores, period = int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), int(sys.argv[4]) / 1e6
def worker_runs():
    try:
        return open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[19] == began
    except OSError:
        return False
def leave(*_):
    if worker_runs():
        os.kill(pid, signal.SIGCONT)
    sys.exit(0)
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, leave)
edge = time.monotonic()
while worker_runs():
    os.kill(pid, signal.SIGCONT)
    time.sleep(max(0.0, edge + cores * period - time.monotonic()))
    if not worker_runs():
        break
    os.kill(pid, signal.SIGSTOP)
    edge += period
    time.sleep(max(0.0, edge - time.monotonic()))
leave()
"""
