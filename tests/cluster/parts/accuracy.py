"""Compares predictions with measurements: figures, their limits and their intervals.

The limits are those of docs/accuracy.md. An error is (predicted - measured) / measured. Every run is compared by itself unless the caller passes the
repetitions of a cell together. Utilisation counts for processes that are more than 10 % busy, response times for groups with at least 100 requests
in a run. Every figure that counts is also held against the prediction's 95 % interval.
"""

import statistics

# None: no limit is promised; the figure is only held against its interval.
LIMITS = {"utilisation": 0.10, "throughput": 0.05, "p50": 0.20, "p95": 0.30, "p99": None, "mean": None, "wait_p95": 0.30}
LEAST_BUSY = 0.10
LEAST_REQUESTS = 100
# Synapse logs db sched in ms; a wait of a few ms is only rounding and the hand-over to a thread.
_WAIT_MS = 10.0


def compare(runs, prediction, args):
    """A row for every figure of `runs` (one run, or all of a plan and load) that the prediction has."""
    first = runs[0]
    rows = []

    def row(kind, name, values, value, counts):
        values = [item for item in values if item is not None]
        if not values or value is None:
            return
        mean = statistics.mean(values)
        error = (value["value"] - mean) / mean if mean else None
        limit = LIMITS[kind]
        if args.proxy_only and kind == "utilisation":
            limit = 0.25
        rows.append(
            {
                "plan": first.plan,
                "load": first.load,
                "run": first.name.rpartition("/")[2] if len(runs) == 1 else "all",
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
                "limit": None if limit is None else limit * args.slack,
                "within": limit is not None and error is not None and abs(error) <= args.slack * limit,
                "inside": value["low"] <= mean <= value["high"],
                "half_width": (value["high"] - value["low"]) / 2 / value["value"] if value["value"] else None,
                # Numbers of requests are not a prediction with an interval: what arrives is served.
                "has_interval": kind != "throughput",
                "blind": all(prediction["predicted_at"] < run.facts["began"] for run in runs),
            }
        )

    exact = lambda value: {"value": value, "low": value, "high": value}
    for process in prediction["processes"]:
        name = process["name"]
        busy = [run.utilisation(name) for run in runs]
        counts = all(share is not None and share > args.least_busy / 100 for share in busy)
        row("utilisation", name, busy, process["utilisation"], counts)
        served = [requests(run, name) / run.seconds for run in runs]
        row("throughput", name, served, exact(process["requests"] / prediction["seconds"]), counts)
    for group in prediction["groups"]:
        measured = [run.groups[group["id"]] for run in runs if group["id"] in run.groups]
        if not measured:
            continue
        counts = len(measured) == len(runs) and sum(one_run["requests"] for one_run in measured) >= args.least_requests * len(runs)
        times = group["latency_ms"] if args.proxy_only else group.get("logged_ms", group["latency_ms"])
        for kind in ("p50", "p95", "p99", "mean"):
            row(kind, group["id"], [one_run["latency_ms"][kind] for one_run in measured], times[kind], counts)
        if not args.proxy_only:
            waits = [run.wait_p95(group["id"]) for run in runs]
            long = counts and all(wait is not None and wait >= _WAIT_MS for wait in waits)
            row("wait_p95", group["id"], waits, group.get("db_wait_ms", {}).get("p95"), long)
    return rows


def untold(run, prediction, least_requests):
    """The groups with enough requests in the run for which the prediction has no times, as where it says that it cannot tell."""
    told = {group["id"] for group in prediction["groups"]}
    return sorted(name for name, group in run.groups.items() if group["requests"] >= least_requests and name not in told)


def requests(run, name):
    """The number of requests from clients and other servers that a process served."""
    return run.processes.get(name, {"requests": 0})["requests"]


def summary(figures):
    """kind of figure -> counts and errors of the figures that count; `all` over the kinds with an interval."""
    found = {kind: _summary([row for row in figures if row["kind"] == kind and row["counts"]]) for kind in LIMITS}
    found["all"] = _summary([row for row in figures if row["counts"] and row["has_interval"]])
    return found


def causes(figures):
    """(kind, name of the process or group) -> the same, to see where the errors are."""
    keys = sorted({(row["kind"], row["name"]) for row in figures if row["counts"]}, key=lambda key: (list(LIMITS).index(key[0]), key[1]))
    return [{"kind": kind, "name": name, **_summary([row for row in figures if (row["kind"], row["name"]) == (kind, name) and row["counts"]])} for kind, name in keys]


def _summary(rows):
    errors = sorted(abs(row["error"]) for row in rows)
    limited = [row for row in rows if row["limit"] is not None]
    intervals = [row for row in rows if row["has_interval"]]
    widths = [row["half_width"] for row in intervals if row["half_width"] is not None]
    return {
        "limit": limited[0]["limit"] if limited and len({row["kind"] for row in limited}) == 1 else None,
        "counted": len(limited),
        "within": sum(row["within"] for row in limited),
        "figures": len(rows),
        "intervals": len(intervals),
        "inside": sum(row["inside"] for row in intervals),
        "above": sum(row["measured"] > row["high"] for row in intervals),
        "half_width": statistics.median(widths) if widths else None,
        "median_error": statistics.median(errors) if errors else None,
        "worst_error": errors[-1] if errors else None,
        "median_signed_error": statistics.median(row["error"] for row in rows) if rows else None,
    }
