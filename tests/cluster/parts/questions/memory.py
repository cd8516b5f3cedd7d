"""Memory of one to three workers: what is assumed without a measurement, and what a recording of one worker says of two and three."""

import csv
import signal
import subprocess
import time

from .. import wsim
from . import clients, cluster

SECONDS = 15
QUESTION = "memory"
GB = 1e9


def compare(run):
    sample = wsim.ROOT / "samples" / "cluster"
    for workers in (1, 2, 3):
        low, high = _predicted(run, f"memory-assumed-{workers}", sample, workers)
        run.predict(QUESTION, f"Synapse with {_workers(workers)}, nothing measured", low / GB, high / GB, "GB")
    for workers in (1, 2, 3):
        with cluster.cluster(run, f"generic-{workers}") as state:
            file = run.out / f"memory-{workers}.csv"
            largest, logs = _recorded(run, state, file, workers)
            if workers == 1:
                for more in (2, 3):
                    low, high = _predicted(run, f"memory-measured-{more}", logs, more, file)
                    run.predict(QUESTION, f"everything with {_workers(more)}, from a recording of one", low / GB, high / GB, "GB")
        run.measured(QUESTION, f"Synapse with {_workers(workers)}, nothing measured", sum(bytes for name, bytes in largest.items() if name not in OTHERS) / GB)
        if workers > 1:
            run.measured(QUESTION, f"everything with {_workers(workers)}, from a recording of one", sum(largest.values()) / GB)


OTHERS = ("postgres", "redis")


def _workers(count):
    return "1 worker" if count == 1 else f"{count} workers"


def _predicted(run, name, log, workers, recording=None):
    """The range of a plan's memory, bytes."""
    measured = ["--process-cpu", recording] if recording else []
    answer = run.answer(name, "presets", log, "--plan", cluster.PLANS / f"generic-{workers}.toml", "--only", "--replications", 2, *measured)
    row = next(row for row in answer["rows"] if row["workers"] == workers)
    memory = row["footprint"]["memory_bytes"]
    return memory["low"], memory["high"]


def _recorded(run, state, file, workers):
    """process -> its largest memory in bytes under some load, and the logs."""
    configuration = f"{state['dir']}/conf/homeserver.yaml"
    with clients.People(state, count=8, prefix=f"m{workers}") as people, cluster.Counters(state) as counters:
        file.unlink(missing_ok=True)
        recorder = subprocess.Popen([run.program, "record", file, "--config", configuration, "--every", "2s", "--quiet"], stdout=subprocess.DEVNULL)
        try:
            people.act(SECONDS, messages=2.0, seed=11)
        finally:
            recorder.send_signal(signal.SIGINT)
            recorder.wait(30)
    largest = {}
    with open(file, newline="") as rows:
        for row in csv.DictReader(rows):
            largest[row["process"]] = max(largest.get(row["process"], 0), int(row["rss_bytes"] or 0))
    time.sleep(1)
    return largest, cluster.logs(state, counters, run.out / f"memory-{workers}-logs")
