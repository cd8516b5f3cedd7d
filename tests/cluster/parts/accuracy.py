"""Predicted beside measured: figures, limits, the ranking of plans, and tables of them.

The limits are those that docs/accuracy.md names. An error is (predicted - measured) / measured; utilisation counts for processes busier than
10 %, response times for groups of at least 200 requests in all repetitions together, as measured.
"""

import csv
import io
import itertools
import math
import statistics

LIMITS = {"utilisation": 0.10, "throughput": 0.05, "p50": 0.20, "p95": 0.30, "wait_p95": 0.30}
LEAST_BUSY = 0.10
LEAST_REQUESTS = 200
# Two-sided 95 % quantiles of Student's t, for means of two to five repetitions.
_T = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78}
# db sched is logged in ms; a wait of a few is rounding and thread hand-off.
_WAIT_MS = 10.0


def compare(runs, prediction, proxy_only, slack=1.0, least_requests=LEAST_REQUESTS, least_busy=LEAST_BUSY):
    """Every figure of one plan and load. `slack` widens the limits, `least_requests` is what a group needs to count, `least_busy` what a process."""
    first = runs[0]
    rows = []

    def row(kind, name, values, value, counts):
        values = [one for one in values if one is not None]
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
        counts = all(one is not None and one > least_busy for one in busy)
        row("utilisation", name, busy, process["utilisation"], counts)
        served = [requests(run, name) / run.seconds for run in runs]
        row("throughput", name, served, exact(process["requests"] / prediction["seconds"]), counts)
    for group in prediction["groups"]:
        seen = [run.groups[group["id"]] for run in runs if group["id"] in run.groups]
        if not seen:
            continue
        counts = len(seen) == len(runs) and sum(one["requests"] for one in seen) >= least_requests
        times = group["latency_ms"] if proxy_only else group.get("logged_ms", group["latency_ms"])
        row("p50", group["id"], [one["latency_ms"]["p50"] for one in seen], times["p50"], counts)
        row("p95", group["id"], [one["latency_ms"]["p95"] for one in seen], times["p95"], counts)
        if not proxy_only:
            waits = [run.wait_p95(group["id"]) for run in runs]
            long = counts and all(wait is not None and wait >= _WAIT_MS for wait in waits)
            row("wait_p95", group["id"], waits, group.get("db_wait_ms", {}).get("p95"), long)
    return rows


def requests(run, name):
    """Requests of clients and other servers that a process served."""
    return run.processes.get(name, {"requests": 0})["requests"]


def ranking(cells, predictions):
    """For every two plans of one load: which has the lower mean work latency, measured and predicted."""
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
    """Degrees of freedom and standard deviation of a single run, pooled over plans."""
    samples = [values for values in samples if len(values) > 1]
    freedom = sum(len(values) - 1 for values in samples)
    if freedom == 0:
        return None
    squares = sum(sum((value - statistics.mean(values)) ** 2 for value in values) for values in samples)
    return freedom, math.sqrt(squares / freedom)


def _mean_work(prediction):
    """Mean work latency of all requests, as a log would give it where that was asked for."""
    groups = prediction["groups"]
    total = sum(group["requests"] for group in groups)
    return sum(group["requests"] * group.get("logged_ms", group["latency_ms"])["mean"]["value"] for group in groups) / max(1, total)


def summary(figures, ranks, slack=1.0):
    """load -> counts per kind."""
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


_NAMES = {
    "utilisation": "utilisation of a process",
    "throughput": "requests of a process",
    "p50": "p50 of work of a group",
    "p95": "p95 of work of a group",
    "wait_p95": "p95 of db sched of a group",
    "ranking": "which of two plans is faster",
}


def _value(kind, value):
    if kind == "utilisation":
        return f"{100 * value:.1f} %"
    if kind == "throughput":
        return f"{value:.2f}/s"
    return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"


def _percent(value):
    return "–" if value is None else f"{100 * value:+.0f} %"


def _summary_rows(document):
    for load, kind, part in ((load, kind, part) for load, parts in document["summary"].items() for kind, part in parts.items()):
        limit = "" if part["limit"] is None else f"{100 * part['limit']:.0f} %"
        median = part.get("median_error")
        worst = part.get("worst_error")
        if part["counted"] == 0:
            continue
        yield [
            load,
            _NAMES[kind],
            limit,
            f"{part['within']} of {part['counted']}",
            "–" if median is None else f"{100 * median:.0f} %",
            "–" if worst is None else f"{100 * worst:.0f} %",
            _percent(part.get("mean_signed_error")),
        ]


_SUMMARY = ["load", "figure", "limit", "within", "median error", "worst", "mean, with sign"]
_FIGURES = ["plan", "load", "figure", "of", "measured", "over runs", "predicted", "95 %", "error", ""]


def _figure_rows(figures):
    for row in figures:
        kind = row["kind"]
        verdict = "does not count" if not row["counts"] else "" if row["within"] else "missed"
        yield [
            row["plan"],
            f"{row['load']:g}",
            {"wait_p95": "p95 db sched"}.get(kind, kind),
            row["name"],
            _value(kind, row["measured"]),
            f"{_value(kind, row['least'])} to {_value(kind, row['most'])}" if row["runs"] > 1 else "one run",
            _value(kind, row["predicted"]),
            f"{_value(kind, row['low'])} to {_value(kind, row['high'])}",
            _percent(row["error"]),
            verdict,
        ]


_RANKING = ["load", "plans", "measured", "noise", "predicted", ""]


def _rank_rows(ranks):
    for row in ranks:
        verdict = ("right" if row["right"] else "wrong") if row["counts"] else "within the noise"
        noise = "unknown" if row["noise_ms"] is None else f"{row['noise_ms']:.1f} ms"
        yield [f"{row['load']:g}", " → ".join(row["plans"]), f"{row['measured_ms']:+.1f} ms", noise, f"{row['predicted_ms']:+.1f} ms", verdict]


def _aligned(head, rows):
    rows = [head, *rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def _marked(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def terminal(document, everything):
    """Tables for a terminal."""
    figures = [row for row in document["figures"] if row["counts"] or everything]
    parts = [
        _aligned(_FIGURES, _figure_rows(figures)),
        _aligned(_RANKING, _rank_rows(document["ranking"])),
        _aligned(_SUMMARY, _summary_rows(document)),
    ]
    if document["void"]:
        parts.append("void runs: " + ", ".join(document["void"]))
    return "\n\n".join(parts)


def markdown(document):
    """Tables for a page."""
    machine = document["machine"]
    what = "the proxy's log alone" if document["proxy_only"] else "logs and process CPU"
    void = ", ".join(document["void"])
    return "\n\n".join(
        [
            "# Predicted and measured",
            f"Calibrated on {what} of `{document['calibrated_on']}`. {machine['processors']} processors, {machine['processor']}, Linux {machine['kernel']}; "
            f"{document['wsim']}. Written by `tests/cluster/accuracy`; docs/accuracy.md says what it means.",
            *([f"Void runs: {void}."] if void else []),
            "## In short",
            _marked(_SUMMARY, _summary_rows(document)),
            "## Which plan is faster",
            "Mean work latency of the second plan less the first.",
            _marked(_RANKING, _rank_rows(document["ranking"])),
            "## Every figure",
            _marked(_FIGURES, _figure_rows(document["figures"])),
        ]
    ) + "\n"


def table(figures):
    """The figures as CSV."""
    out = io.StringIO()
    columns = ["plan", "load", "kind", "name", "runs", "measured", "least", "most", "predicted", "low", "high", "error", "counts", "within"]
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(figures)
    return out.getvalue()
