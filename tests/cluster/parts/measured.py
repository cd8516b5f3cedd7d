"""What one run of an experiment measured: read from its folder, by code that shares nothing with the simulation.

Latencies and counts per endpoint group are those of `wsim analyse` on Synapse's own logs; waits for database connections are read from the
log lines here, CPU from the counters of the processes.
"""

import bisect
import collections
import csv
import datetime
import gzip
import json
import re
import tempfile
import tomllib
from pathlib import Path

from . import wsim

# As `wsim simulate` leaves out of a window that is too short for more.
WARM_UP = 0.2
_LINE = re.compile(r"Processed request: .* db=\(([0-9.]+)sec/([0-9.]+)sec/(\d+)\) .* \"([A-Z]+) (\S+) HTTP")


class Run:
    """A folder PLAN/load-L/run-N. The first fifth of the time is left out, as a simulation leaves out its warm-up."""

    def __init__(self, folder, program):
        self.folder = Path(folder)
        self.facts = json.loads((self.folder / "run.json").read_text())
        self.plan, self.load = self.facts["plan"], self.facts["load"]
        self.end = self.facts["measured_to"]
        self.begin = self.facts["measured_from"] + WARM_UP * (self.end - self.facts["measured_from"])
        self.seconds = self.end - self.begin
        self.replay = json.loads((self.folder / "replay" / "report.json").read_text())
        self.synapse_logs = sorted((self.folder / "logs").glob("synapse-*.log*"))
        self.proxy_logs = sorted(file for file in (self.folder / "logs").iterdir() if file not in self.synapse_logs)
        self._analyse(program)
        self._waits(program)
        self.cpu = counters(self.folder / "process-cpu.csv", self.begin, self.end)

    def _analyse(self, program):
        with tempfile.TemporaryDirectory(prefix="wsim-measured-") as out:
            words = ["analyse", *self.synapse_logs, "--process-cpu", self.folder / "process-cpu.csv"]
            words += ["--from", f"{stamp(self.begin):%Y-%m-%dT%H:%M:%S}Z"]
            text = wsim.call(program, *words, "--no-trace", "--json", "--quiet", "--out", out)
        analysis = json.loads(text)
        self.groups = {group["id"]: group for group in analysis["groups"] if not group["internal"]}
        self.processes = {process["name"]: process for process in analysis["processes"]}

    def _waits(self, program):
        """db sched in ms, sorted, per endpoint group, of requests with transactions."""
        found, begin = [], f"{stamp(self.begin):%Y-%m-%d %H:%M:%S}"
        for file in self.synapse_logs:
            with gzip.open(file, "rt", errors="replace") if file.suffix == ".gz" else open(file, errors="replace") as lines:
                found += [(match[4], match[5], 1000 * float(match[1])) for line in lines if (match := _LINE.search(line)) and int(match[3]) > 0 and line >= begin]
        release = tomllib.loads((self.folder / "plan.toml").read_text())["synapse"]
        classes = wsim.classify(program, release, {(method, path) for method, path, _ in found})
        self.waits = collections.defaultdict(list)
        for method, path, wait in found:
            self.waits[classes[method, path]["group"]].append(wait)
        for values in self.waits.values():
            values.sort()

    def utilisation(self, name):
        """Busy share of a core, and with a CPU limit of what it may use; None for a process without a counter."""
        if name not in self.cpu:
            return None
        limit = self.facts["cpu_limits"].get(name, 1.0)
        return self.cpu[name] / self.seconds / min(1.0, limit)

    def wait_p95(self, group):
        """95th percentile of db sched, ms."""
        values = self.waits.get(group)
        return values[min(len(values) - 1, int(0.95 * len(values)))] if values else None

    def mean_work(self):
        """Mean work latency of all client requests, ms."""
        requests = sum(group["requests"] for group in self.groups.values())
        return sum(group["requests"] * group["latency_ms"]["mean"] for group in self.groups.values()) / max(1, requests)

    def machine_cores(self):
        """Cores that all processes of the cluster used together."""
        return sum(self.cpu.values()) / self.seconds


def stamp(seconds):
    """Seconds since 1970 as a time in UTC."""
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)


def counters(file, begin, end):
    """process -> CPU seconds between two instants, linear between samples."""
    samples = collections.defaultdict(list)
    with open(file, newline="") as rows:
        for row in csv.DictReader(rows):
            samples[row["process"]].append((float(row["epoch"]), float(row["cpu_seconds_total"])))

    def at(series, instant):
        place = bisect.bisect_left(series, (instant, 0.0))
        if place == 0 or place == len(series):
            return series[min(place, len(series) - 1)][1]
        (t0, c0), (t1, c1) = series[place - 1], series[place]
        return c0 + (c1 - c0) * (instant - t0) / (t1 - t0)

    return {name: at(series, end) - at(series, begin) for name, series in samples.items()}
