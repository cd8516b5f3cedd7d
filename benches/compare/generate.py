#!/usr/bin/env python3
"""Makes a large log from a small real one, for benches/compare/analyse.

    generate.py SAMPLE OUT BYTES nginx|synapse

SAMPLE is a gzipped log of samples/cluster: nginx's rich format, which is reduced to `combined`, or a Synapse log. Its lines are repeated with
later times, so that times increase as in a real log, and with different room ids, so that tables of names grow too. The same arguments give the
same bytes.
"""

import gzip
import re
import sys
from datetime import datetime, timedelta

ISO = re.compile(rb"\[(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\+00:00\]")
ASCTIME = re.compile(rb"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d{3}")


def combined(line: bytes) -> bytes:
    """A line of the rich format, reduced to nginx's combined format."""
    line = line[: line.rindex(b" rt=")] + b"\n"
    return ISO.sub(lambda m: datetime.fromisoformat(m.group(1).decode()).strftime("[%d/%b/%Y:%H:%M:%S +0000]").encode(), line, count=1)


def main() -> None:
    sample, out, size, kind = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
    lines = gzip.open(sample, "rb").read().splitlines(keepends=True)
    if kind == "nginx":
        lines = [combined(line) for line in lines]
        pattern, form = re.compile(rb"\[(\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d) \+0000\]"), "%d/%b/%Y:%H:%M:%S"
    else:
        pattern, form = ASCTIME, "%Y-%m-%d %H:%M:%S"
    stamps = []
    for line in lines:
        found = pattern.search(line)
        stamps.append((found.start(1), datetime.strptime(found.group(1).decode(), form)) if found else None)
    known = [stamp for _, stamp in filter(None, stamps)]
    span = (max(known) - min(known)) + timedelta(seconds=1)
    written = 0
    with open(out, "wb") as target:
        repetition = 0
        while written < size:
            shift = span * repetition
            cache = {}
            mark = b"%04d" % (repetition % 500)
            for line, stamp in zip(lines, stamps):
                if stamp is not None:
                    offset, moment = stamp
                    text = cache.get(moment)
                    if text is None:
                        text = cache[moment] = (moment + shift).strftime(form).encode()
                    line = line[:offset] + text + line[offset + len(text):]
                    if repetition:
                        line = line.replace(b"/rooms/!", b"/rooms/!" + mark, 1).replace(b"/rooms/%21", b"/rooms/%21" + mark, 1)
                target.write(line)
                written += len(line)
            repetition += 1


main()
