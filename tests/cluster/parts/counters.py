"""Counters that a process serves for Prometheus, and the difference of two readings."""

import re
import urllib.request

from .problem import Problem

_LINE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def read(process):
    """(name, labels as a sorted tuple) -> value, of one process of a cluster that was started with --metrics."""
    if "metrics" not in process:
        raise Problem(f"{process['name']} serves no counters; start the cluster with --metrics")
    with _NO_PROXY.open(f"http://127.0.0.1:{process['metrics']}/", timeout=10) as answer:
        text = answer.read().decode()
    found = {}
    for line in text.splitlines():
        if match := _LINE.match(line):
            found[match[1], tuple(sorted(_LABEL.findall(match[2] or "")))] = float(match[3])
    return found


def rise(before, after):
    """By how much each counter rose; one that was not there before began at nought."""
    return {key: value - before.get(key, 0.0) for key, value in after.items()}


def total(counters, name, **labels):
    """The sum of a counter over all labels but those given."""
    wanted = set(labels.items())
    return sum(value for (other, own), value in counters.items() if other == name and wanted <= set(own))


def by_label(counters, name, label):
    """label's value -> sum."""
    found = {}
    for (other, own), value in counters.items():
        if other == name:
            key = dict(own).get(label, "")
            found[key] = found.get(key, 0.0) + value
    return found


def quantile(buckets, share):
    """The upper end of the bucket of a histogram in which a quantile lies. `buckets`: upper end as text -> cumulated count."""
    ordered = sorted((float(end), count) for end, count in buckets.items())
    most = ordered[-1][1] if ordered else 0.0
    return next((end for end, count in ordered if count >= share * most and most > 0), None)
