"""Compares predictions with measurements: figures, limits, and the ranking of plans.

The limits are those of docs/accuracy.md. An error is (predicted - measured) / measured. Utilisation counts for processes that are more than
10 % busy, response times count for groups with at least 200 measured requests in all repetitions together.
"""

import itertools
import math
import statistics

LIMITS = {"utilisation": 0.10, "throughput": 0.05, "p50": 0.20, "p95": 0.30, "wait_p95": 0.30}
LEAST_BUSY = 0.10
LEAST_REQUESTS = 200
# Two-sided 95 % quantiles of Student's t, for means of two to five repetitions.
_T = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78}
# Synapse logs db sched in ms; a wait of a few ms is only rounding and the hand-over to a thread.
_WAIT_MS = 10.0


def compare(runs, prediction, proxy_only, slack=1.0, least_requests=LEAST_REQUESTS, least_busy=LEAST_BUSY):
    """A row for every figure of one plan and load.

    `slack` widens the limits. A group counts from `least_requests` requests on, a process if its utilisation is above `least_busy`.
    """
    first = runs[0]
    rows = []

    def row(kind, name, values, value, counts):
        values = [item for item in values if item is not None]
        if not values or value is None:
            return
        mean = statistics.mean(values)
        error = (value["value"] - mean) / mean if mean else None
        rows.append(
            {
                "plan": first.plan,
                "load": first.load,
                "kind": kind,
                "name": name,
                "runs": len(values),
                "measured": mean,
                "least": min(values),
                "most": max(values),
                "predicted": value["value"],
                "low": value["low"],
                "high": value["high"],
                "error": error,
                "counts": bool(counts and error is not None),
                "within": error is not None and abs(error) <= slack * LIMITS[kind],
            }
        )

    exact = lambda value: {"value": value, "low": value, "high": value}
    for process in prediction["processes"]:
        name = process["name"]
        busy = [run.utilisation(name) for run in runs]
        counts = all(share is not None and share > least_busy for share in busy)
        row("utilisation", name, busy, process["utilisation"], counts)
        served = [requests(run, name) / run.seconds for run in runs]
        row("throughput", name, served, exact(process["requests"] / prediction["seconds"]), counts)
    for group in prediction["groups"]:
        measured = [run.groups[group["id"]] for run in runs if group["id"] in run.groups]
        if not measured:
            continue
        counts = len(measured) == len(runs) and sum(one_run["requests"] for one_run in measured) >= least_requests
        times = group["latency_ms"] if proxy_only else group.get("logged_ms", group["latency_ms"])
        row("p50", group["id"], [one_run["latency_ms"]["p50"] for one_run in measured], times["p50"], counts)
        row("p95", group["id"], [one_run["latency_ms"]["p95"] for one_run in measured], times["p95"], counts)
        if not proxy_only:
            waits = [run.wait_p95(group["id"]) for run in runs]
            long = counts and all(wait is not None and wait >= _WAIT_MS for wait in waits)
            row("wait_p95", group["id"], waits, group.get("db_wait_ms", {}).get("p95"), long)
    return rows


def requests(run, name):
    """The number of requests from clients and other servers that a process served."""
    return run.processes.get(name, {"requests": 0})["requests"]


def ranking(cells, predictions):
    """For every two plans at the same load: which of them has the lower mean work latency, measured and predicted."""
    rows = []
    for load in sorted({load for _, load in cells}):
        plans = [plan for plan, other in cells if other == load and (plan, load) in predictions]
        means = {plan: [run.mean_work() for run in cells[plan, load]] for plan in plans}
        spread = _spread(means.values())
        for a, b in itertools.combinations(plans, 2):
            difference = statistics.mean(means[b]) - statistics.mean(means[a])
            noise = None
            if spread is not None:
                freedom, deviation = spread
                noise = _T.get(freedom, 2.5) * deviation * math.sqrt(1 / len(means[a]) + 1 / len(means[b]))
            expected = _mean_work(predictions[b, load]) - _mean_work(predictions[a, load])
            rows.append(
                {
                    "load": load,
                    "plans": [a, b],
                    "measured_ms": difference,
                    "noise_ms": noise,
                    "predicted_ms": expected,
                    "counts": noise is not None and abs(difference) > noise,
                    "right": difference * expected > 0,
                }
            )
    return rows


def _spread(samples):
    """Degrees of freedom and standard deviation of a single run, pooled over plans; None without repetitions."""
    samples = [values for values in samples if len(values) > 1]
    freedom = sum(len(values) - 1 for values in samples)
    if freedom == 0:
        return None
    squares = sum(sum((value - statistics.mean(values)) ** 2 for value in values) for values in samples)
    return freedom, math.sqrt(squares / freedom)


def _mean_work(prediction):
    """Mean work latency of all requests in ms; as a log would show it if the prediction has that figure."""
    groups = prediction["groups"]
    total = sum(group["requests"] for group in groups)
    return sum(group["requests"] * group.get("logged_ms", group["latency_ms"])["mean"]["value"] for group in groups) / max(1, total)


def summary(figures, ranks, slack=1.0):
    """load -> kind of figure -> counts and errors."""
    loads = sorted({row["load"] for row in figures})
    return {f"{load:g}": _summary([row for row in figures if row["load"] == load], [row for row in ranks if row["load"] == load], slack) for load in loads}


def _summary(figures, ranks, slack):
    found = {}
    for kind, limit in LIMITS.items():
        counted = [row for row in figures if row["kind"] == kind and row["counts"]]
        errors = sorted(abs(row["error"]) for row in counted)
        found[kind] = {
            "limit": slack * limit,
            "counted": len(counted),
            "within": sum(row["within"] for row in counted),
            "median_error": statistics.median(errors) if errors else None,
            "worst_error": errors[-1] if errors else None,
            "mean_signed_error": statistics.mean(row["error"] for row in counted) if counted else None,
        }
    counted = [row for row in ranks if row["counts"]]
    found["ranking"] = {"limit": None, "counted": len(counted), "within": sum(row["right"] for row in counted)}
    return found
