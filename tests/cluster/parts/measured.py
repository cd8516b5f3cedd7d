"""The measurements of one run of an experiment, read from its folder by code that shares nothing with the simulation.

Latencies and counts of endpoint groups come from `wsim analyse` on Synapse's logs, single requests and their waits for database connections from the
log lines, and CPU from the counters of the processes. All are kept in the run's folder (`measured.json`), because reading takes longer than comparing.
"""

import bisect
import collections
import csv
import datetime
import gzip
import json
import re
import statistics
import tempfile
import tomllib
from pathlib import Path

from . import wsim

# The share of a short window that `wsim simulate` leaves out as its warm-up.
WARM_UP = 0.2
# Groups whose requests wait for news: the time in a log line is not their latency.
LONG_POLLS = ("sync", "sliding_sync")
_SCHEMA = "wsim.measured/1"
_LINE = re.compile(
    r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),(\d{3}) - .* Processed request: ([0-9.]+)sec/.* db=\(([0-9.]+)sec/[0-9.]+sec/(\d+)\) .* \"([A-Z]+) (\S+) HTTP"
)


class Run:
    """The run in a folder PLAN/load-L/run-N. The first fifth of its time is left out, as a simulation leaves out its warm-up."""

    def __init__(self, folder, program):
        self.folder = Path(folder)
        self.facts = json.loads((self.folder / "run.json").read_text())
        self.plan, self.load = self.facts["plan"], self.facts["load"]
        self.name = "/".join(self.folder.parts[-3:])
        self.end = self.facts["measured_to"]
        self.begin = self.facts["measured_from"] + WARM_UP * (self.end - self.facts["measured_from"])
        self.seconds = self.end - self.begin
        self.synapse_logs = sorted((self.folder / "logs").glob("synapse-*.log*"))
        self.proxy_logs = sorted(file for file in (self.folder / "logs").iterdir() if file not in self.synapse_logs)
        found = self._kept() or self._read(program)
        self.void = found["void"]
        # CPU that the same small piece of work took meanwhile, ms; runs of before did not measure it.
        self.reference_ms = self.facts.get("reference_ms")
        self.groups, self.processes, self.cpu = found["groups"], found["processes"], found["cpu"]
        # Of each request: group, seconds since the replay began, latency in ms, wait for connections in ms (None without a transaction).
        self.requests = found["requests"]

    def _kept(self):
        file = self.folder / "measured.json"
        found = json.loads(file.read_text()) if file.exists() else {}
        return found if found.get("schema") == _SCHEMA else None

    def _read(self, program):
        found = {"schema": _SCHEMA, "void": json.loads((self.folder / "replay" / "report.json").read_text())["void"]}
        found["groups"], found["processes"] = self._analyse(program)
        found["cpu"] = cpu_seconds(self.folder / "process-cpu.csv", self.begin, self.end)
        found["requests"] = self._lines(program, found["groups"])
        (self.folder / "measured.json").write_text(json.dumps(found) + "\n")
        return found

    def _analyse(self, program):
        with tempfile.TemporaryDirectory(prefix="wsim-measured-") as out:
            words = ["analyse", *self.synapse_logs, "--process-cpu", self.folder / "process-cpu.csv"]
            words += ["--from", f"{utc_time(self.begin):%Y-%m-%dT%H:%M:%S}Z"]
            # A run may miss the standard objective (exit status 3): its figures count all the same.
            text = wsim.call(program, *words, "--no-trace", "--json", "--quiet", "--out", out, accept=(0, 3))
        analysis = json.loads(text)
        groups = {group["id"]: {"requests": group["requests"], "latency_ms": group["latency_ms"]} for group in analysis["groups"] if not group["internal"]}
        return groups, {process["name"]: {"requests": process["requests"]} for process in analysis["processes"]}

    def _lines(self, program, groups):
        """The requests of these groups in the order of their ends."""
        found = []
        for file in self.synapse_logs:
            with gzip.open(file, "rt", errors="replace") if file.suffix == ".gz" else open(file, errors="replace") as lines:
                found += [match.groups() for line in lines if (match := _LINE.match(line))]
        release = tomllib.loads((self.folder / "plan.toml").read_text())["synapse"]
        classes = wsim.classify(program, release, {(row[5], row[6]) for row in found})
        requests = []
        for stamp, milliseconds, processing, waited, transactions, method, path in found:
            group = classes[method, path]["group"]
            # Synapse writes local time.
            at = datetime.datetime.strptime(stamp, "%Y-%m-%d %H:%M:%S").timestamp() + int(milliseconds) / 1000
            if at < self.begin or group not in groups:
                continue
            requests.append([group, round(at - self.facts["began"], 3), 1000 * float(processing), 1000 * float(waited) if int(transactions) else None])
        return sorted(requests, key=lambda request: request[1])

    def utilisation(self, name):
        """CPU use as a share of a core, or of the process's CPU limit; None for a process without CPU samples."""
        if name not in self.cpu:
            return None
        limit = self.facts["cpu_limits"].get(name, 1.0)
        return self.cpu[name] / self.seconds / min(1.0, limit)

    def wait_p95(self, group):
        """95th percentile of db sched, ms, of requests with transactions."""
        return quantile(sorted(request[3] for request in self.requests if request[0] == group and request[3] is not None), 0.95)

    def latencies(self, group):
        """[(seconds since the replay began, latency in ms)] of a group."""
        return [(at, latency) for name, at, latency, _ in self.requests if name == group]

    def blocks(self, seconds):
        """block's number -> (requests, sum of latencies in ms) of requests other than long polls, by their starts."""
        found = collections.defaultdict(lambda: [0, 0.0])
        for name, at, latency, _ in self.requests:
            if name not in LONG_POLLS:
                block = found[int((at - latency / 1000) // seconds)]
                block[0] += 1
                block[1] += latency
        return found

    def mean_latency(self):
        """Mean latency of all requests but long polls, ms."""
        times = [latency for name, _, latency, _ in self.requests if name not in LONG_POLLS]
        return statistics.mean(times) if times else None

    def machine_cores(self):
        """Cores that all processes of the cluster used together."""
        return sum(self.cpu.values()) / self.seconds


def quantile(values, share):
    """The quantile of sorted values; None without values."""
    return values[min(len(values) - 1, int(share * len(values)))] if values else None


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
