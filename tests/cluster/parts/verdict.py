"""What a replay against a cluster must have done, from the proxy's log, the homeserver's rooms and the replay's own report.

Every function takes what it needs and adds rows to the checks; none of them trusts the replay's word where the proxy or Synapse can say.
"""

import collections
import datetime
import json
import re

from . import plan as plans
from . import wsim
from .matrix import Client, MatrixError, quote

AGENT = "wsim-replay"
SYNC = re.compile(r"^/_matrix/client/(r0|v3)/sync$")
SEND = re.compile(r"^/_matrix/client/[^/]+/rooms/([^/]+)/send/([^/]+)/")
# A position in the stream of events, the first part of a sync token: `s223_17_192…`, `s223~12.3_17…` with several event writers.
POSITION = re.compile(r"^[sm](\d+)")


def account(checks, report, lines):
    """The report's totals add up, and the proxy saw as much as was sent."""
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
    """Of the sent requests, the log's own errors apart, so many percent were answered 2xx.

    Which replayed request stems from an error line the proxy cannot tell, so all of those are taken out of both sides as if each had failed
    again: what is left over as failed is the replay's own.
    """
    good = sum(200 <= line.status < 300 for line in lines)
    bad = collections.Counter(line.status for line in lines if not 200 <= line.status < 300)
    own = max(0, sum(bad.values()) - logged_errors)
    checks.at_least("answered 2xx, the log's own errors apart", round(100 * good / max(1, good + own), 2), least, " %")
    checks.note("answered otherwise", ", ".join(f"{status}: {count}" for status, count in sorted(bad.items())) or "none")


def chains(checks, lines, logged_positions):
    """`since` values come from this homeserver, and move."""
    syncs = collections.defaultdict(list)
    for line in lines:
        if SYNC.match(line.path) and "since" in line.parameters and 200 <= line.status < 300:
            syncs[line.authorization].append(line)
    backwards, standing, long = 0, 0, 0
    foreign = 0
    for chain in syncs.values():
        # In the order of sending; the log is in the order of ending.
        chain.sort(key=lambda line: line.end - line.seconds)
        values = [line.parameters["since"] for line in chain]
        foreign += sum(value in logged_positions for value in values)
        numbers = [int(found[1]) for value in values if (found := POSITION.match(value))]
        backwards += sum(later < earlier for earlier, later in zip(numbers, numbers[1:]))
        if len(values) >= 5:
            long += 1
            standing += len(set(values)) < 2
    checks.at_least("devices whose /sync was chained", len(syncs), 5)
    checks.at_least("of them with five syncs or more", long, 3)
    checks.equal("syncs that went backwards", backwards, 0)
    checks.equal("chains of five or more that never moved", standing, 0)
    checks.equal("positions taken from the old log", foreign, 0)
    distinct = len({line.parameters["since"] for chain in syncs.values() for line in chain})
    checks.note("distinct positions", f"{distinct} in {sum(len(chain) for chain in syncs.values())} syncs")


def arrivals(checks, state, lines, began):
    """Every message answered 2xx is in its room, once: events by the homeserver's own admin API beside the proxy's log."""
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
    checks.equal("rooms with another number than was sent", len(wrong), 0)


def events_since(admin, room, kinds, began_ms):
    """How many events of these types the room has that are younger than `began_ms`."""
    count, position = 0, None
    # Far more pages than a test writes; a homeserver that returns the same page for ever must not hold the test.
    for _ in range(200):
        try:
            answer = admin.call("GET", f"/_synapse/admin/v1/rooms/{quote(room)}/messages", dir="b", limit=500, **({"from": position} if position else {}))
        except MatrixError:
            return count
        chunk = answer["chunk"]
        count += sum(event["type"] in kinds and event["origin_server_ts"] >= began_ms for event in chunk)
        position = answer.get("end")
        if not chunk or position is None or chunk[-1]["origin_server_ts"] < began_ms:
            break
    return count


def routing(checks, program, state, lines):
    """The server that nginx chose is the one that `wsim route` names, for every request of a keyed pool that has a key."""
    plan = plans.Plan(open(state["plan"]).read(), state["plan"])
    classes = wsim.classify(program, plan.data["synapse"], {(line.method, line.uri) for line in lines if " " not in line.uri})
    keyed, elsewhere, others = collections.defaultdict(list), [], 0
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
            elsewhere.append((line.method, line.path, line.upstream))
    for pool in plan.pools:
        if not plans.keyed(pool):
            continue
        mine = keyed[pool["name"]]
        servers = wsim.route(program, state["plan"], pool["name"], {line.key(pool["key"]) for line in mine})
        wrong = [line for line in mine if servers[line.key(pool["key"])] != line.upstream]
        spread = collections.Counter(line.upstream for line in mine)
        checks.equal(f"pool {pool['name']}: requests not where wsim route says, of {len(mine)}", len(wrong), 0)
        names = state["upstreams"]
        checks.note(f"pool {pool['name']}: keys and requests", f"{len(servers)} keys, " + ", ".join(f"{names[s]} {n}" for s, n in sorted(spread.items())))
    checks.at_least("requests that were routed by a key", sum(len(lines) for lines in keyed.values()), 100)
    checks.equal(f"other requests outside their pool, of {others}", len(elsewhere), 0)
    for method, path, upstream in elsewhere[:5]:
        checks.note(f"  {method} {path.split('/rooms/')[0][:60]}", f"went to {state['upstreams'].get(upstream, upstream)}")


def destination(plan, state, found):
    """Where a class of requests belongs: a pool of the plan, or a set of addresses."""
    names = {name: address for address, name in state["upstreams"].items()}
    main = {names["main"]}
    if found["stream"] in plan.writers:
        return {names[name] for name in plan.writers[found["stream"]] if name in names} or main
    if not found["workers"] and found["group"] != "sliding_sync":
        return main
    return plan.pool_of(found["group"]) or main


def secrets(checks, lines, server_names):
    """Nothing of the old homeserver is in what was sent: no id of its users or rooms."""
    found = sum(any(name in line.uri for name in server_names) for line in lines)
    checks.equal("requests that name the old homeserver", found, 0)


def read_report(folder):
    """report.json of a run."""
    return json.loads((folder / "report.json").read_text())


def seconds(stamp):
    """Seconds since 1970 of an RFC 3339 stamp."""
    return datetime.datetime.fromisoformat(stamp).timestamp()


def unquoted(part):
    """An id out of a path."""
    from urllib.parse import unquote

    return unquote(part)
