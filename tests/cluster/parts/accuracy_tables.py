"""The results of `accuracy` as tables: for a terminal, as Markdown and as CSV."""

import csv
import io

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
    """Aligned tables. With `everything` also figures that do not count."""
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
    """A page of Markdown."""
    machine = document["machine"]
    sources = "the proxy's log alone" if document["proxy_only"] else "logs and process CPU"
    void = ", ".join(document["void"])
    return "\n\n".join(
        [
            "# Predicted and measured",
            f"Calibrated on {sources} of `{document['calibrated_on']}`. {machine['processors']} processors, {machine['processor']}, Linux {machine['kernel']}; "
            f"{document['wsim']}. Written by `tests/cluster/accuracy`; docs/accuracy.md explains the figures.",
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
