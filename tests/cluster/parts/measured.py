"""The measurements of one run of an experiment, read from its folder by code that shares nothing with the simulation.

Latencies and counts of endpoint groups come from `wsim analyse` on Synapse's logs, waits for database connections from the log lines, and CPU from
the counters of the processes.
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

# The share of a short window that `wsim simulate` leaves out as its warm-up.
WARM_UP = 0.2
_LINE = re.compile(r"Processed request: .* db=\(([0-9.]+)sec/([0-9.]+)sec/(\d+)\) .* \"([A-Z]+) (\S+) HTTP")


class Run:
    """The run in a folder PLAN/load-L/run-N. The first fifth of its time is left out, as a simulation leaves out its warm-up."""

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
        self.cpu = cpu_seconds(self.folder / "process-cpu.csv", self.begin, self.end)

    def _analyse(self, program):
        with tempfile.TemporaryDirectory(prefix="wsim-measured-") as out:
            words = ["analyse", *self.synapse_logs, "--process-cpu", self.folder / "process-cpu.csv"]
            words += ["--from", f"{utc_time(self.begin):%Y-%m-%dT%H:%M:%S}Z"]
            text = wsim.call(program, *words, "--no-trace", "--json", "--quiet", "--out", out)
        analysis = json.loads(text)
        self.groups = {group["id"]: group for group in analysis["groups"] if not group["internal"]}
        self.processes = {process["name"]: process for process in analysis["processes"]}

    def _waits(self, program):
        """Reads db sched in ms of requests with transactions, sorted, for each endpoint group."""
        found, begin = [], f"{utc_time(self.begin):%Y-%m-%d %H:%M:%S}"
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
        """CPU use as a share of a core, or of the process's CPU limit; None for a process without CPU samples."""
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


def utc_time(seconds):
    """A time in UTC from seconds since 1970."""
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)


def cpu_seconds(file, begin, end):
    """process -> CPU seconds between two times, interpolated linearly between samples."""
    samples = collections.defaultdict(list)
    with open(file, newline="") as rows:
        for row in csv.DictReader(rows):
            samples[row["process"]].append((float(row["epoch"]), float(row["cpu_seconds_total"])))

    def at(series, instant):
        index = bisect.bisect_left(series, (instant, 0.0))
        if index == 0 or index == len(series):
            return series[min(index, len(series) - 1)][1]
        (t0, c0), (t1, c1) = series[index - 1], series[index]
        return c0 + (c1 - c0) * (instant - t0) / (t1 - t0)

    return {name: at(series, end) - at(series, begin) for name, series in samples.items()}
