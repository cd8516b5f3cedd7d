"""Runs `wsim record` beside a cluster, and holds what it recorded against /proc."""

import csv
import json
import os
import signal
import subprocess
import time
from pathlib import Path

from . import program
from .problem import Problem

# Seconds between two samples, the program's default.
EVERY = 5
# Of a core: what the program may use itself. This build may be one without optimisation.
OWN_CPU_MAX = 0.005


class Recording:
    """A recording that runs until `check`, or until the block ends."""

    def __init__(self, wsim, file, state):
        self.wsim, self.file, self.state, self.began = wsim, Path(file), state, time.monotonic()
        # Other homeservers may run on this machine.
        configuration = str(Path(state["dir"]) / "conf" / "homeserver.yaml")
        self.child = subprocess.Popen(
            [wsim, "record", file, "--config", configuration, "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.child.returncode is None:
            self.child.kill()
            self.child.wait()

    def check(self, checks):
        """Stops the recording and checks what is in it."""
        self.child.send_signal(signal.SIGINT)
        text = self.child.stdout.read()
        _, status, usage = os.wait4(self.child.pid, 0)
        self.child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - self.began
        checks.equal("wsim record ends at SIGINT with status", self.child.returncode, 0)
        if self.child.returncode != 0:
            raise Problem("wsim record failed")
        own = (usage.ru_utime + usage.ru_stime) / seconds
        checks.holds(f"wsim record uses {100 * own:.2f} % of a core, memory {usage.ru_maxrss / 1024:.0f} MiB", own <= OWN_CPU_MAX, f"more than {100 * OWN_CPU_MAX} %")
        running = {process["name"]: process for process in self.state["processes"] if process["kind"] == "synapse"}
        summary = {process["name"]: process for process in json.loads(text)["processes"]}
        with open(self.file, newline="") as file:
            rows = list(csv.DictReader(file))
        recorded = {row["process"] for row in rows}
        checks.equal("processes that wsim record found", ", ".join(sorted(recorded)), ", ".join(sorted({*running, "postgres", "redis"})))
        at = sorted({row["epoch"] for row in rows})
        checks.at_least("samples of wsim record", len(at), seconds / EVERY - 2)
        off = []
        for name, process in running.items():
            last = next((row for row in reversed(rows) if row["process"] == name), None)
            own, reaped = program.cpu_seconds(process["pid"])
            # The processes go on between the last sample and this reading.
            if last is None or not -0.02 <= own + reaped - float(last["cpu_seconds_total"]) <= 0.5:
                off.append(f"{name}: CPU {last and last['cpu_seconds_total']}, /proc {own + reaped:.2f}")
            elif not 0.9 <= int(last["rss_bytes"]) / resident(process["pid"]) <= 1.1:
                off.append(f"{name}: memory {last['rss_bytes']}, /proc {resident(process['pid'])}")
            elif int(last["threads"]) < 1 or not summary[name]["cores"] or summary[name]["repeated"]:
                off.append(f"{name}: {last} {summary[name]}")
        checks.holds("CPU, memory and threads are those of /proc", not off, "; ".join(off))


def resident(pid):
    """Resident memory of a process, bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
