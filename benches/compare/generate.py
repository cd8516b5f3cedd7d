#!/usr/bin/env python3
"""Makes a large log out of a small real one, for benchmarks.

    generate.py SAMPLE OUT BYTES nginx|synapse

SAMPLE is a log of samples/cluster (gzipped): nginx's rich format, which is cut down to `combined`, or a Synapse log. Its lines are
repeated with the clock moved on, so that stamps grow as in a real log, and with room identifiers varied, so that tables of names
grow too. The same arguments give the same bytes.
"""

import gzip
import re
import sys
from datetime import datetime, timedelta

ISO = re.compile(rb"\[(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\+00:00\]")
ASCTIME = re.compile(rb"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d{3}")


def combined(line: bytes) -> bytes:
    """A line of the rich format as nginx's combined has it."""
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
        turn = 0
        while written < size:
            shift = span * turn
            cache = {}
            mark = b"%04d" % (turn % 500)
            for line, stamp in zip(lines, stamps):
                if stamp is not None:
                    at, moment = stamp
                    text = cache.get(moment)
                    if text is None:
                        text = cache[moment] = (moment + shift).strftime(form).encode()
                    line = line[:at] + text + line[at + len(text):]
                    if turn:
                        line = line.replace(b"/rooms/!", b"/rooms/!" + mark, 1).replace(b"/rooms/%21", b"/rooms/%21" + mark, 1)
                target.write(line)
                written += len(line)
            turn += 1


main()
