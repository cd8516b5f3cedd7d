#!/usr/bin/env python3
"""Makes a log as varied as that of a busy server, for benches/compare/analyse and benches/compare/scale.

    busy_log.py OUT LINES USERS [nginx|synapse] [SECONDS]

One day, or so many seconds, of nginx's combined format or of Synapse's log. Users, rooms and servers have the popularity of Zipf's law (exponent 1); every user has an
address, one of 30 user agents, and every seventh a second device with another agent at another address. 5,000 rooms, the usual requests of
clients and of federation, sync tokens whose positions grow. In Synapse's log one line in ten is of another logger. The same arguments give the same bytes.
"""

import itertools
import random
import sys
import time
from bisect import bisect

REQUESTS = [
    (50, "GET", "/_matrix/client/v3/sync?filter=1&timeout=30000&since=s{positions}"),
    (10, "POST", "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync?pos={a}/s{positions}&timeout=30000"),
    (8, "PUT", "/_matrix/client/v3/rooms/!{room:018x}:example.org/send/m.room.encrypted/m{a}.{b}"),
    (6, "POST", "/_matrix/client/v3/keys/query"),
    (6, "GET", "/_matrix/client/v3/rooms/!{room:018x}:example.org/messages?dir=b&limit=30&from=t{a}-{positions}"),
    (5, "POST", "/_matrix/client/v3/rooms/!{room:018x}:example.org/receipt/m.read/%24{a}{b}{c}"),
    (5, "GET", "/_matrix/client/v1/media/thumbnail/example.org/{a}{b}?width=96&height=96&method=crop"),
    (10, "PUT", "/_matrix/federation/v1/send/{a}{b}"),
]
SYSTEMS = ("Windows NT 10.0; Win64; x64", "Linux; Android 14", "iPhone; iOS 17.4")
AGENTS = [f"{program}/1.11.{version} ({system})" for program in ("Element", "Element X") for version in range(5) for system in SYSTEMS]
# 2023-11-14 00:00:00 UTC
MIDNIGHT = 1_699_920_000
ROOMS = 5000
SERVERS = 2000


def zipf(count):
    """Cumulative weights of Zipf's law."""
    return list(itertools.accumulate(1 / rank for rank in range(1, count + 1)))


def pick(draw, weights):
    """An index by its cumulative weights."""
    return bisect(weights, draw.random() * weights[-1])


class Requests:
    """The requests of all users, one after another."""

    def __init__(self, users):
        self.draw = random.Random(17)
        self.users, self.rooms, self.servers = zipf(users), zipf(ROOMS), zipf(SERVERS)
        self.kinds = list(itertools.accumulate(weight for weight, _, _ in REQUESTS))

    def next(self, number):
        """Method, target, address, agent, user (None for a server), status, bytes, server; of the request of this number."""
        draw = self.draw
        _, method, target = REQUESTS[pick(draw, self.kinds)]
        # The positions of events, presence, typing, receipts, account data, push rules, to-device messages, device lists and so on.
        now = number - draw.randrange(20)
        streams = [71_000_000 + now // 12, 9_000_000 + now // 3, 100 + now // 5, 8_000_000 + now // 6, 310_000 + now // 900, 1, 400_000 + now // 40]
        positions = "_".join(map(str, [*streams, 52_000 + now // 700, 0, 1, 2, 1, 1, 1]))
        target = target.format(room=pick(draw, self.rooms), positions=positions, **{letter: draw.getrandbits(28) for letter in "abc"})
        status, size = (200 if draw.random() < 0.97 else 404), draw.randrange(9999)
        if target.startswith("/_matrix/federation/"):
            server = pick(draw, self.servers)
            return method, target, f"172.16.{server >> 8}.{server & 255}", "Synapse/1.150.0", None, status, size, server
        user = pick(draw, self.users)
        second = user % 7 == 0 and draw.random() < 0.4
        address = f"{11 if second else 10}.{user >> 16}.{user >> 8 & 255}.{user & 255}"
        agent = AGENTS[(user + 11 * second) % len(AGENTS)]
        return method, target, address, agent, f"@user{user}:example.org", status, size, None


def nginx(number, seconds, requests):
    """A line of the combined format."""
    method, target, address, agent, _, status, size, _ = requests.next(number)
    stamp = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(MIDNIGHT + seconds))
    return f'{address} - - [{stamp}] "{method} {target} HTTP/2.0" {status} {size} "-" "{agent}"\n'


def synapse(number, seconds, requests):
    """A line of Synapse's default format."""
    draw = requests.draw
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(MIDNIGHT + seconds)) + f",{draw.randrange(1000):03}"
    if number % 10 == 9:
        room = pick(draw, requests.rooms)
        return f"{stamp} - synapse.replication.tcp.client - 422 - INFO - PUT-{number} - Finished waiting for repl stream 'events' in !{room:018x}:example.org\n"
    method, target, address, agent, user, status, size, server = requests.next(number)
    cpu, database = draw.randrange(1, 40), draw.randrange(60)
    wall = draw.randrange(30_000) if "/sync" in target else cpu + database + draw.randrange(9)
    who = user or f"server{server}.example.net"
    return (
        f"{stamp} - synapse.access.http.8008 - 560 - INFO - {method}-{number} - {address} - 8008 - {{{who}}} Processed request:"
        f" {wall / 1000:.3f}sec/0.001sec ru=({cpu / 1000:.3f}sec, 0.001sec) db=(0.001sec/{database / 1000:.3f}sec/{draw.randrange(9)})"
        f' {size}B {status} "{method} {target} HTTP/1.1" "{agent}" [{draw.randrange(30)} dbevts]\n'
    )


def main():
    path, lines, users = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    options = sys.argv[4:]
    seconds = next((int(option) for option in options if option.isdigit()), 86_400)
    line = {"nginx": nginx, "synapse": synapse}[next((option for option in options if not option.isdigit()), "nginx")]
    requests = Requests(users)
    with open(path, "w", encoding="ascii") as out:
        out.writelines(line(number, number * seconds // lines, requests) for number in range(lines))


main()
