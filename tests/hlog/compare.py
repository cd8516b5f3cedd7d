"""Compares count and p99 of each tag of replay.hlog, read by HdrHistogram's Python implementation, with the groups of report.json."""

import json
import sys
from pathlib import Path

from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

# The bounds with which wsim records: 1 ns to an hour, three significant digits.
BOUNDS = (1, 3_600_000_000_000, 3)


def read(path):
    """tag -> histogram of all intervals of a log."""
    totals = {}
    log = HistogramLogReader(str(path), HdrHistogram(*BOUNDS))
    while (interval := log.get_next_interval_histogram()) is not None:
        totals.setdefault(interval.get_tag(), HdrHistogram(*BOUNDS)).add(interval)
    log.close()
    return totals


def problems(run):
    """Returns a line for each difference, and the number of compared tags."""
    tags = read(run / "replay.hlog")
    groups = {group["id"]: group for group in json.loads((run / "report.json").read_text())["groups"]}
    found = [f"tag {tag} is not a group of the report" for tag in tags.keys() - groups.keys()]
    for name, group in groups.items():
        times, count = group["response_ms"], group["completed"]
        if count == 0 and name not in tags:
            continue
        if name not in tags:
            found.append(f"{name}: {count} responses in the report, no line in the log")
            continue
        log = tags[name]
        if log.get_total_count() != count:
            found.append(f"{name}: {log.get_total_count()} responses in the log, {count} in the report")
        # Implementations round the rank of a quantile differently, so the neighbouring ranks are accepted too.
        rank = 100 / count
        low, high = (log.get_value_at_percentile(min(max(99 + shift, 0), 100)) / 1e6 for shift in (-rank, rank))
        # The resolution of the histogram is one part in a thousand.
        if not low * 0.999 <= times["p99"] <= high * 1.001:
            found.append(f"{name}: p99 {times['p99']} ms in the report, {low} to {high} ms in the log")
    return found, len(tags)


def main():
    failed = False
    for run in map(Path, sys.argv[1:]):
        found, tags = problems(run)
        if tags == 0:
            found.append("the log has no line with a tag")
        for problem in found:
            print(f"{run}: {problem}", file=sys.stderr)
        failed |= bool(found)
        print(f"{run.name}: {tags} tags compared, {len(found)} problems")
    sys.exit(1 if failed or len(sys.argv) < 2 else 0)


main()
