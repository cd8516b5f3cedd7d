"""The results of `accuracy` as tables: for a terminal, as Markdown and as CSV."""

import csv
import io

_NAMES = {
    "utilisation": "utilisation of a process",
    "throughput": "requests of a process",
    "p50": "p50 of work of a group",
    "p95": "p95 of work of a group",
    "p99": "p99 of work of a group",
    "mean": "mean of work of a group",
    "wait_p95": "p95 of db sched of a group",
    "all": "all with an interval",
}


def _value(kind, value):
    if kind == "utilisation":
        return f"{100 * value:.1f} %"
    if kind == "throughput":
        return f"{value:.2f}/s"
    return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"


def _signed(value):
    return "–" if value is None else f"{100 * value:+.0f} %"


def _percent(value):
    return "–" if value is None else f"{100 * value:.0f} %"


def _of(part, whole):
    return f"{part} of {whole}" if whole else "–"


_SUMMARY = ["figure", "limit", "within", "median error", "worst", "with sign", "inside 95 %", "above", "half-width"]


def _summary_cells(part):
    return [
        _percent(part["limit"]),
        _of(part["within"], part["counted"]),
        _percent(part["median_error"]),
        _percent(part["worst_error"]),
        _signed(part["median_signed_error"]),
        _of(part["inside"], part["intervals"]),
        str(part["above"]) if part["intervals"] else "–",
        _percent(part["half_width"]),
    ]


def _summary_rows(document):
    return [[_NAMES[kind], *_summary_cells(part)] for kind, part in document["summary"].items() if part["figures"]]


_CAUSES = ["figure", "of", *_SUMMARY[1:]]


def _cause_rows(document):
    return [[_short(part["kind"]), part["name"], *_summary_cells(part)] for part in document["causes"]]


_FIGURES = ["plan", "load", "run", "figure", "of", "measured", "predicted", "95 %", "error", ""]


def _short(kind):
    return {"wait_p95": "p95 db sched"}.get(kind, kind)


def _figure_rows(figures):
    for row in figures:
        kind = row["kind"]
        missed = row["limit"] is not None and not row["within"]
        outside = row["has_interval"] and not row["inside"]
        verdict = ", ".join(word for word, true in (("missed", missed), ("outside", outside)) if true)
        measured = _value(kind, row["measured"])
        if row["runs"] > 1:
            measured += f" ({_value(kind, row['least'])} to {_value(kind, row['most'])})"
        yield [
            row["plan"],
            f"{row['load']:g}",
            row["run"],
            _short(kind),
            row["name"],
            measured,
            _value(kind, row["predicted"]),
            f"{_value(kind, row['low'])} to {_value(kind, row['high'])}",
            _signed(row["error"]),
            verdict if row["counts"] else "does not count",
        ]


_RANKING = ["load", "plans", "runs", "measured", "noise", "predicted", "sign", "size"]


def _rank_rows(ranks):
    for row in ranks:
        told = row["predicted_ms"] is not None
        sign = "within the noise" if not row["counts"] else "not told" if not told else "right" if row["right"] else "wrong"
        yield [
            f"{row['load']:g}",
            " → ".join(row["plans"]),
            str(row["runs"]),
            f"{row['measured_ms']:+.1f} ms",
            f"±{row['noise_ms']:.1f} ms",
            f"{row['predicted_ms']:+.1f} ms" if told else "–",
            sign,
            "inside" if row["size_inside"] else "outside" if told else "–",
        ]


def _pair_words(part):
    return (
        f"{part['decidable']} of {part['pairs']} pairs are decidable: {part['right']} of {part['decidable']} ranked rightly, "
        f"{part['size_inside']} of {part['decidable']} sizes inside the measured interval."
        + (f" Of {part['untold']} nothing is told." if part["untold"] else "")
    )


def _machine_words(document):
    """How much slower the machine was than in the calibration run: what no prediction can know."""
    changes = document.get("slower_than_calibration")
    if not changes:
        return []
    listed = ", ".join(f"{name} {100 * change:+.0f} %" for name, change in sorted(changes.items()))
    return [f"CPU that the same small piece of work took, against the calibration run: {listed}."]


def _untold_words(document):
    """What a prediction has no response times for; empty if there is nothing."""
    untold = document["untold"]
    groups = sum(len(names) for names in untold.values())
    return [f"No response times are told for {groups} groups, because work piles up or nearly does: {', '.join(untold)}."] if untold else []


_NOISE = ["figure", "limit", "half of a run", "repetition"]


def _noise_rows(noise):
    for kind in ("utilisation", "p50", "p95", "p99", "mean"):
        parts = [noise[source].get(kind) for source in ("halves", "repetitions")]
        if any(parts):
            limit = next(part["limit"] for part in parts if part)
            yield [kind, _percent(limit), *(_of(part["within"], part["counted"]) if part else "–" for part in parts)]


_BEFORE = ["figure", "within before", "now", "inside before", "now", "half-width before", "now"]


def _before_rows(before, document):
    for kind, now in document["summary"].items():
        was = before["summary"].get(kind)
        if not was or not (was["figures"] or now["figures"]):
            continue
        yield [
            _NAMES[kind],
            _of(was["within"], was["counted"]),
            _of(now["within"], now["counted"]),
            _of(was["inside"], was["intervals"]),
            _of(now["inside"], now["intervals"]),
            _percent(was["half_width"]),
            _percent(now["half_width"]),
        ]
    was, now = before["pairs"], document["pairs"]
    yield ["pairs ranked rightly", _of(was["right"], was["decidable"]), _of(now["right"], now["decidable"]), "", "", "", ""]
    yield ["sizes of differences", _of(was["size_inside"], was["decidable"]), _of(now["size_inside"], now["decidable"]), "", "", "", ""]


def _aligned(head, rows):
    rows = [head, *rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def _marked(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def terminal(document, everything, before=None):
    """Aligned tables. With `everything` also figures that do not count; with `before`, another document, the change since then."""
    figures = [row for row in document["figures"] if row["counts"] or everything]
    parts = [
        _aligned(_FIGURES, _figure_rows(figures)),
        _aligned(_RANKING, _rank_rows(document["ranking"])),
        _aligned(_CAUSES, _cause_rows(document)),
        "Noise: how many figures of one half of a run, or of a repetition, are within the limit of the other.\n" + _aligned(_NOISE, _noise_rows(document["noise"])),
        _aligned(_SUMMARY, _summary_rows(document)),
        _pair_words(document["pairs"]),
        *_untold_words(document),
        *_machine_words(document),
    ]
    if before:
        parts.append(_aligned(_BEFORE, _before_rows(before, document)))
    if document["void"]:
        parts.append("void runs: " + ", ".join(document["void"]))
    return "\n\n".join(parts)


def markdown(document):
    """A page of Markdown."""
    machine = document["machine"]
    sources = "the proxy's log alone" if document["proxy_only"] else "logs and process CPU"
    void = ", ".join(document["void"])
    blind = sum(document["blind"].values())
    return "\n\n".join(
        [
            "# Predicted and measured",
            f"Calibrated on {sources} of `{document['calibrated_on']}`; {len(document['blind'])} other runs, {blind} of them made after their prediction was "
            f"written. {machine['processors']} processors, {machine['processor']}, Linux {machine['kernel']}; {document['wsim']}. Written by "
            "`tests/cluster/accuracy`; docs/accuracy.md explains the figures.",
            *([f"Void runs: {void}."] if void else []),
            "## In short",
            _marked(_SUMMARY, _summary_rows(document)),
            _pair_words(document["pairs"]),
            *_untold_words(document),
            *_machine_words(document),
            "## How well measurements predict each other",
            _marked(_NOISE, _noise_rows(document["noise"])),
            "## Which plan is faster",
            "Mean latency of all requests but long polls, the second plan less the first. The noise is half of the 95 % interval of the measured difference.",
            _marked(_RANKING, _rank_rows(document["ranking"])),
            "## By process and endpoint group",
            _marked(_CAUSES, _cause_rows(document)),
            "## Every figure",
            _marked(_FIGURES, _figure_rows(document["figures"])),
        ]
    ) + "\n"


def table(figures):
    """The figures as CSV."""
    out = io.StringIO()
    columns = ["plan", "load", "run", "kind", "name", "runs", "measured", "least", "most", "predicted", "low", "high", "error", "counts", "within", "inside", "blind"]
    writer = csv.DictWriter(out, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(figures)
    return out.getvalue()
