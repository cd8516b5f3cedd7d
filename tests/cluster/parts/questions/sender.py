"""A federation sender stopped for a minute and started: how long until the other server has what was missed. Two homeservers on one machine."""

import threading
import time
from pathlib import Path

from .. import program as processes
from ..matrix import Client, quote
from ..problem import Problem
from . import clients, cluster

# Loopback is refused by default, and the certificates are made here.
SETTINGS = "federation_verify_certificates: false\nip_range_blacklist: []\nfederation_ip_range_blacklist: []"
SENDER = '\n[duties]\nfederation_sender_instances = "federation_sender1"\n'
# Long enough timelines that no event is left out.
FILTER = '{"room": {"timeline": {"limit": 100}}}'
QUESTION, DOWN, RATE, ROOMS = "a sender down for a minute", 60, 2.0, 4


def compare(run):
    names = [f"127.0.0.1:{run.base_port + base + 1}" for base in (0, 200)]
    with (
        cluster.cluster(run, "generic-1", SETTINGS, words=("--server-name", names[0]), extra=SENDER) as state,
        cluster.cluster(run, "monolith", SETTINGS, base=200, words=("--server-name", names[1])) as other,
    ):
        people = clients.People(state, count=2, rooms=ROOMS)
        guest = Client(other["url"]).register(other["secret_file"], "guest")
        for room in people.rooms:
            guest.call("POST", f"/_matrix/client/v3/join/{quote(room)}", {}, server_name=names[0])
        people.act(5, messages=RATE, seed=3)
        with cluster.Counters(state, run.out / "sender-cpu.csv") as counters:
            people.act(45, messages=RATE, seed=4)
        logs = cluster.logs(state, counters, run.out / "sender-logs")
        answer = run.answer("whatif-federation", "whatif", "federation", logs, "--down", f"{DOWN}s", "--senders", 1, "--process-cpu", counters.file)
        caught, wake = answer["senders"][0]["catch_up_seconds"], answer["wake_seconds"]
        run.predict(QUESTION, "caught up, from the first transaction", caught["low"], caught["high"], "s")
        run.predict(QUESTION, "from ready to the first transaction", wake["low"], wake["high"], "s")
        cluster.stop(state, "federation_sender1")
        people.act(DOWN, messages=RATE, seed=5)
        missed = {people.say(people.clients[0], room, f"last-{index}") for index, room in enumerate(people.rooms)}
        log = Path(state["logs"], "synapse-federation_sender1.log")
        before = log.stat().st_size
        process = cluster.start(state, "federation_sender1")
        watch = Watch(other, guest, missed)
        watch.start()
        going_on = threading.Thread(target=people.act, args=(30,), kwargs={"messages": RATE, "seed": 6}, daemon=True)
        going_on.start()
        ready = first = None
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and (watch.done is None or first is None):
            time.sleep(0.05)
            text = log.read_bytes()[before:].decode(errors="replace")
            ready = ready or _stamp(text, "Successfully subscribed")
            first = first or _stamp(text, "Sending transaction [")
        if first is None or watch.done is None:
            raise Problem(f"the other server did not get what it had missed; the sender runs: {processes.alive(process)}")
        run.measured(QUESTION, "caught up, from the first transaction", max(0.0, watch.done - first))
        run.measured(QUESTION, "from ready to the first transaction", max(0.0, first - (ready or first)))
        going_on.join()


def _stamp(text, what):
    """When a line says something for the first time, in seconds since 1970; None if none does."""
    at = text.find(what)
    if at < 0:
        return None
    line = text[text.rfind("\n", 0, at) + 1 : at]
    moment = time.mktime(time.strptime(line[:19], "%Y-%m-%d %H:%M:%S"))
    return moment + int(line[20:23]) / 1000


class Watch(threading.Thread):
    """Waits until a user of the other server has seen all of some events."""

    def __init__(self, state, guest, missed):
        super().__init__(daemon=True)
        self.client, self.missed, self.done = Client(state["url"], guest.token), set(missed), None

    def run(self):
        since = self.client.call("GET", "/_matrix/client/v3/sync", timeout=0, filter=FILTER)
        missing = set(self.missed)
        while missing:
            for room in since.get("rooms", {}).get("join", {}).values():
                missing -= {event["event_id"] for event in room["timeline"]["events"]}
            if missing:
                since = self.client.call("GET", "/_matrix/client/v3/sync", since=since["next_batch"], timeout=5000, filter=FILTER)
        self.done = time.time()
