"""Counts and p99 of each tag of replay.hlog, as HdrHistogram's Python implementation reads them, against report.json's groups."""

import json
import sys
from pathlib import Path

from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

# The bounds that the program records with: 1 ns to an hour, three digits.
BOUNDS = (1, 3_600_000_000_000, 3)


def read(path):
    """The intervals of a log added up by tag."""
    whole = {}
    log = HistogramLogReader(str(path), HdrHistogram(*BOUNDS))
    while (interval := log.get_next_interval_histogram()) is not None:
        whole.setdefault(interval.get_tag(), HdrHistogram(*BOUNDS)).add(interval)
    log.close()
    return whole


def problems(run):
    """What differs, one line each, and how many tags were compared."""
    tags = read(run / "replay.hlog")
    groups = {group["id"]: group for group in json.loads((run / "report.json").read_text())["groups"]}
    found = [f"tag {tag} is no group of the report" for tag in tags.keys() - groups.keys()]
    for name, group in groups.items():
        times, count = group["response_ms"], group["completed"]
        if count == 0 and name not in tags:
            continue
        if name not in tags:
            found.append(f"{name}: {count} answers in the report, no line in the log")
            continue
        log = tags[name]
        if log.get_total_count() != count:
            found.append(f"{name}: {log.get_total_count()} answers in the log, {count} in the report")
        # Implementations round a quantile's rank differently, so the neighbouring ranks are right too.
        rank = 100 / count
        low, high = (log.get_value_at_percentile(min(max(99 + shift, 0), 100)) / 1e6 for shift in (-rank, rank))
        # One part in a thousand is the histogram's own resolution.
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
