"""How well measurements predict each other: the floor that no model can be expected to beat.

One half of a run predicts the other (blocks of five seconds, every second one), and one run predicts its repetitions.
"""

from .accuracy import LIMITS
from .measured import LONG_POLLS, quantile

BLOCK_SECONDS = 5


def floor(runs, least_requests):
    """kind -> counts for halves of runs and for repetitions."""
    halves, repetitions = _Counts(), _Counts()
    for run in runs:
        for group in run.groups:
            times = [] if group in LONG_POLLS else run.latencies(group)
            if len(times) < least_requests:
                continue
            split = ([], [])
            for at, latency in times:
                split[int((at - latency / 1000) // BLOCK_SECONDS) % 2].append(latency)
            if all(split):
                halves.add(*(_figures(sorted(half)) for half in split))
    for first, second in ((a, b) for a in runs for b in runs if a is not b and (a.plan, a.load) == (b.plan, b.load)):
        for name in set(first.groups) & set(second.groups):
            if min(run.groups[name]["requests"] for run in (first, second)) >= least_requests:
                repetitions.add(first.groups[name]["latency_ms"], second.groups[name]["latency_ms"])
        for name in first.cpu:
            shares = first.utilisation(name), second.utilisation(name)
            if None not in shares and min(shares) > 0.1:
                repetitions.add({"utilisation": shares[0]}, {"utilisation": shares[1]})
    return {"halves": halves.found, "repetitions": repetitions.found}


class _Counts:
    def __init__(self):
        self.found = {}

    def add(self, predicted, measured):
        for kind in ("utilisation", "p50", "p95", "p99", "mean"):
            if kind not in predicted or kind not in measured or not measured[kind]:
                continue
            limit = LIMITS[kind] or (0.2 if kind == "mean" else 0.3)
            entry = self.found.setdefault(kind, {"limit": limit, "counted": 0, "within": 0})
            entry["counted"] += 1
            entry["within"] += abs(predicted[kind] - measured[kind]) <= limit * measured[kind]


def _figures(times):
    return {"p50": quantile(times, 0.5), "p95": quantile(times, 0.95), "p99": quantile(times, 0.99), "mean": sum(times) / len(times)}
