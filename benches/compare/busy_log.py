#!/usr/bin/env python3
"""Makes an access log as varied as that of a busy server, for benches/compare/scale.

    busy_log.py OUT LINES USERS [SECONDS]

nginx's combined format over one day, or so many seconds: one address for each user, popularity by Zipf's law (exponent 1), 30 user agents, 5,000 rooms, the usual requests of
clients and of federation with long sync tokens. The same arguments give the same bytes.
"""

import itertools
import random
import sys
import time
from bisect import bisect

REQUESTS = [
    (50, "GET", "/_matrix/client/v3/sync?filter=1&timeout=30000&since=s{a}_{b}_{c}_{d}_{e}_{f}_{g}_0_1"),
    (10, "POST", "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync?pos={a}&timeout=30000"),
    (8, "PUT", "/_matrix/client/v3/rooms/!{room}:example.org/send/m.room.encrypted/m{a}.{b}"),
    (6, "POST", "/_matrix/client/v3/keys/query"),
    (6, "GET", "/_matrix/client/v3/rooms/!{room}:example.org/messages?dir=b&limit=30&from=t{a}-{b}_0_0_0_0_0_0_0_0_0"),
    (5, "POST", "/_matrix/client/v3/rooms/!{room}:example.org/receipt/m.read/%24{a}{b}{c}"),
    (5, "GET", "/_matrix/client/v1/media/thumbnail/example.org/{a}{b}?width=96&height=96&method=crop"),
    (10, "PUT", "/_matrix/federation/v1/send/{a}{b}"),
]
AGENTS = [f"Element/1.11.{version} ({system})" for version in range(10) for system in ("Windows NT 10.0; Win64; x64", "Linux; Android 14", "iPhone; iOS 17.4")]
# 2023-11-14 00:00:00 UTC
MIDNIGHT = 1_699_920_000
ROOMS = 5000


def zipf(count):
    """Cumulative weights of Zipf's law."""
    return list(itertools.accumulate(1 / rank for rank in range(1, count + 1)))


def main():
    path, lines, users = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    seconds = int(sys.argv[4]) if len(sys.argv) > 4 else 86_400
    draw = random.Random(17)
    user_weights, room_weights = zipf(users), zipf(ROOMS)
    request_weights = list(itertools.accumulate(weight for weight, _, _ in REQUESTS))
    with open(path, "w", encoding="ascii") as out:
        for number in range(lines):
            user = bisect(user_weights, draw.random() * user_weights[-1])
            _, method, target = REQUESTS[bisect(request_weights, draw.random() * request_weights[-1])]
            figures = {letter: draw.getrandbits(28) for letter in "abcdefg"}
            target = target.format(room=bisect(room_weights, draw.random() * room_weights[-1]), **figures)
            stamp = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(MIDNIGHT + number * seconds // lines))
            status = 200 if draw.random() < 0.97 else 404
            out.write(
                f"10.{user >> 16}.{user >> 8 & 255}.{user & 255} - - [{stamp}] \"{method} {target} HTTP/2.0\" {status} {draw.randrange(9999)}"
                f" \"-\" \"{AGENTS[user % len(AGENTS)]}\"\n"
            )


main()
