"""Checks of a replay at a cluster, from the proxy's log, the homeserver's rooms and the replay's own report.

Every function adds rows to `checks`. Facts come from the proxy or Synapse wherever they know them, and not from the replay's report.
"""

import collections
import datetime
import json
import re
import urllib.parse

from . import plan as plans
from . import wsim
from .matrix import Client, MatrixError, quote

AGENT = "wsim-replay"
SYNC = re.compile(r"^/_matrix/client/(r0|v3)/sync$")
SEND = re.compile(r"^/_matrix/client/[^/]+/rooms/([^/]+)/send/([^/]+)/")
# A position in the stream of events, the first part of a sync token: `s223_17_192…`, `s223~12.3_17…` with several event writers.
POSITION = re.compile(r"^[sm](\d+)")


def totals(checks, report, lines):
    """The report's totals add up, and the proxy logged every request that was sent."""
    scheduled, sent, completed = report["scheduled"], report["sent"], report["completed"]
    failed, skipped = sum(report["failed"].values()), sum(report["skipped"].values())
    checks.equal("scheduled = sent + skipped", sent + skipped, scheduled)
    checks.equal("sent = completed + failed", completed + failed, sent)
    checks.equal("requests of the replay in the proxy's log", len(lines), sent)
    checks.note("skipped", ", ".join(f"{reason} {count}" for reason, count in report["skipped"].items()) or "none")
    checks.note("failed", ", ".join(f"{reason} {count}" for reason, count in report["failed"].items()) or "none")
    lateness = report["lateness_us"]
    checks.note("lateness", f"p50 {lateness['p50']} µs, p99 {lateness['p99']} µs, at most {lateness['max']} µs")


def statuses(checks, lines, logged_errors, least=95.0):
    """At least `least` percent of the responses are 2xx, not counting requests that already failed in the log.

    The proxy cannot know which request was an error in the log. So all of those errors are subtracted from the failures, as if each of them had
    failed again; the failures that remain are caused by the replay.
    """
    good = sum(200 <= line.status < 300 for line in lines)
    bad = collections.Counter(line.status for line in lines if not 200 <= line.status < 300)
    own = max(0, sum(bad.values()) - logged_errors)
    checks.at_least("responses 2xx, without errors in the log", round(100 * good / max(1, good + own), 2), least, " %")
    checks.note("other responses", ", ".join(f"{status}: {count}" for status, count in sorted(bad.items())) or "none")


def chains(checks, lines, logged_positions):
    """The `since` values of syncs come from this homeserver and advance."""
    syncs = collections.defaultdict(list)
    for line in lines:
        if SYNC.match(line.path) and "since" in line.parameters and 200 <= line.status < 300:
            syncs[line.authorization].append(line)
    backwards, unchanged, long, foreign = 0, 0, 0, 0
    for chain in syncs.values():
        # The log has the order in which requests ended, the chain the order in which they were sent.
        chain.sort(key=lambda line: line.end - line.seconds)
        values = [line.parameters["since"] for line in chain]
        foreign += sum(value in logged_positions for value in values)
        numbers = [int(found[1]) for value in values if (found := POSITION.match(value))]
        backwards += sum(later < earlier for earlier, later in zip(numbers, numbers[1:]))
        if len(values) >= 5:
            long += 1
            unchanged += len(set(values)) < 2
    checks.at_least("devices with chained syncs", len(syncs), 5)
    checks.at_least("of these with five syncs or more", long, 3)
    checks.equal("syncs with an earlier position than the one before", backwards, 0)
    checks.equal("chains of five or more without any progress", unchanged, 0)
    checks.equal("positions copied from the log", foreign, 0)
    distinct = len({line.parameters["since"] for chain in syncs.values() for line in chain})
    checks.note("distinct positions", f"{distinct} in {sum(len(chain) for chain in syncs.values())} syncs")


def arrivals(checks, state, lines, began):
    """Every message with a 2xx response in the proxy's log is in its room exactly once, according to the homeserver's admin API."""
    sent = collections.Counter()
    kinds = set()
    for line in lines:
        found = SEND.match(line.path) if line.method == "PUT" else None
        if found and 200 <= line.status < 300:
            sent[found[1]] += 1
            kinds.add(found[2])
    admin = Client(state["url"]).register(state["secret_file"], f"verdict-{int(began)}", admin=True)
    arrived = collections.Counter()
    for room in sent:
        arrived[room] = events_since(admin, unquoted(room), kinds, began * 1000)
    wrong = {room: (sent[room], arrived[room]) for room in sent if sent[room] != arrived[room]}
    checks.at_least("messages sent", sum(sent.values()), 20)
    checks.equal("messages in the rooms", sum(arrived.values()), sum(sent.values()))
    checks.equal("rooms whose number of messages differs", len(wrong), 0)


def events_since(admin, room, kinds, began_ms):
    """The number of events of these types in the room since `began_ms`."""
    count, position = 0, None
    # Far more pages than a test writes. The limit ends the loop if the homeserver returns the same page for ever.
    for _ in range(200):
        try:
            response = admin.call("GET", f"/_synapse/admin/v1/rooms/{quote(room)}/messages", dir="b", limit=500, **({"from": position} if position else {}))
        except MatrixError:
            return count
        chunk = response["chunk"]
        count += sum(event["type"] in kinds and event["origin_server_ts"] >= began_ms for event in chunk)
        position = response.get("end")
        if not chunk or position is None or chunk[-1]["origin_server_ts"] < began_ms:
            break
    return count


def routing(checks, program, state, lines):
    """For every request with a key, nginx chose the server that `wsim route` names; every other request went to its pool."""
    plan = plans.Plan(open(state["plan"]).read(), state["plan"])
    classes = wsim.classify(program, plan.data["synapse"], {(line.method, line.uri) for line in lines if " " not in line.uri})
    keyed, misrouted, others = collections.defaultdict(list), [], 0
    for line in lines:
        found = classes.get((line.method, line.uri))
        if found is None or line.upstream is None:
            continue
        expected = destination(plan, state, found)
        if isinstance(expected, dict):
            if plans.keyed(expected) and line.key(expected.get("key", "")):
                keyed[expected["name"]].append(line)
                continue
            expected = set(plans.servers(expected))
        others += 1
        if line.upstream not in expected:
            misrouted.append((line.method, line.path, line.upstream))
    for pool in plan.pools:
        if not plans.keyed(pool):
            continue
        mine = keyed[pool["name"]]
        servers = wsim.route(program, state["plan"], pool["name"], {line.key(pool["key"]) for line in mine})
        wrong = [line for line in mine if servers[line.key(pool["key"])] != line.upstream]
        spread = collections.Counter(line.upstream for line in mine)
        checks.equal(f"pool {pool['name']}: requests not routed as wsim route says, of {len(mine)}", len(wrong), 0)
        names = state["upstreams"]
        checks.note(f"pool {pool['name']}: keys and requests", f"{len(servers)} keys, " + ", ".join(f"{names[s]} {n}" for s, n in sorted(spread.items())))
    checks.at_least("requests routed by a key", sum(len(lines) for lines in keyed.values()), 100)
    checks.equal(f"other requests outside their pool, of {others}", len(misrouted), 0)
    for method, path, upstream in misrouted[:5]:
        checks.note(f"  {method} {path.split('/rooms/')[0][:60]}", f"went to {state['upstreams'].get(upstream, upstream)}")


def destination(plan, state, found):
    """The destination of a class of requests: a pool of the plan, or a set of addresses."""
    names = {name: address for address, name in state["upstreams"].items()}
    main = {names["main"]}
    if found["stream"] in plan.writers:
        return {names[name] for name in plan.writers[found["stream"]] if name in names} or main
    if not found["workers"] and found["group"] != "sliding_sync":
        return main
    return plan.pool_of(found["group"]) or main


def secrets(checks, lines, server_names):
    """No request contains the server name of the logged homeserver."""
    found = sum(any(name in line.uri for name in server_names) for line in lines)
    checks.equal("requests that name the logged homeserver", found, 0)


def read_report(folder):
    """The report.json of a run."""
    return json.loads((folder / "report.json").read_text())


def seconds(stamp):
    """Seconds since 1970 of an RFC 3339 time."""
    return datetime.datetime.fromisoformat(stamp).timestamp()


def unquoted(part):
    """An id from a segment of a path."""
    return urllib.parse.unquote(part)
