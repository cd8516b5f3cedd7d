"""Reads the Prometheus counters of a process and computes differences between two readings."""

import re
import urllib.request

from .problem import Problem

_LINE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def read(process):
    """(name, labels as a sorted tuple) -> value, for a process of a cluster that was started with --metrics."""
    if "metrics" not in process:
        raise Problem(f"{process['name']} serves no counters; start the cluster with --metrics")
    with _NO_PROXY.open(f"http://127.0.0.1:{process['metrics']}/", timeout=10) as response:
        text = response.read().decode()
    found = {}
    for line in text.splitlines():
        if match := _LINE.match(line):
            found[match[1], tuple(sorted(_LABEL.findall(match[2] or "")))] = float(match[3])
    return found


def increase(before, after):
    """The increase of each counter. A counter that is only in `after` started at zero."""
    return {key: value - before.get(key, 0.0) for key, value in after.items()}


def total(counters, name, **labels):
    """The sum of all counters of this name that have the given labels."""
    required = set(labels.items())
    return sum(value for (other, own), value in counters.items() if other == name and required <= set(own))


def by_label(counters, name, label):
    """value of the label -> sum of all counters of this name with that value."""
    found = {}
    for (other, own), value in counters.items():
        if other == name:
            key = dict(own).get(label, "")
            found[key] = found.get(key, 0.0) + value
    return found


def quantile(buckets, share):
    """The upper bound of the histogram bucket that contains a quantile. `buckets`: upper bound as text -> cumulative count."""
    ordered = sorted((float(end), count) for end, count in buckets.items())
    most = ordered[-1][1] if ordered else 0.0
    return next((end for end, count in ordered if count >= share * most and most > 0), None)
