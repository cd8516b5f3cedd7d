"""A burst of a bridge: how long the main process works on it and what people wait meanwhile, and the same with a worker for the bridge."""

import concurrent.futures
import json
import statistics
import tempfile
import threading
import time
from pathlib import Path

from ..matrix import Client, quote
from . import clients, cluster

QUESTION, BURST, ROOMS, TOKEN = "a burst of a bridge", 100, 10, "as_0f1e2d3c4b5a"
POOL = """
[[pool]]
name = "bots"
endpoints = ["event_sending", "client"]
appservices = ["@bridge_*"]
servers = ["127.0.0.1:18011"]
"""


def compare(run):
    with tempfile.TemporaryDirectory(prefix="wsim-bridge-") as scratch:
        registration = Path(scratch) / "bridge.yaml"
        registration.write_text(
            json.dumps(
                {
                    "id": "bridge",
                    "url": None,
                    "as_token": TOKEN,
                    "hs_token": TOKEN[::-1],
                    "sender_localpart": "bridgebot",
                    "rate_limited": False,
                    "namespaces": {"users": [{"exclusive": True, "regex": "@bridge_.*"}], "aliases": [], "rooms": []},
                }
            )
        )
        settings = f'app_service_config_files: ["{registration}"]'
        with cluster.cluster(run, "monolith", settings) as state:
            bridge = Bridge(state)
            with clients.People(state, count=6) as people:
                with cluster.Counters(state, run.out / "burst-cpu.csv") as counters:
                    calm = threading.Thread(target=bridge.calmly, args=(30, 2.0), daemon=True)
                    calm.start()
                    people.act(30, messages=1.0, seed=21)
                    calm.join()
                logs = cluster.logs(state, counters, run.out / "burst-logs")
                answer = run.answer("whatif-bots", "whatif", "bots", logs, "--burst", BURST, "--process-cpu", counters.file)
                drained, apart, waits = answer["drained_seconds"], answer["drained_apart_seconds"], answer["wait_ms"]
                run.predict(QUESTION, "worked off beside people", drained["low"], drained["high"], "s")
                run.predict(QUESTION, "a person's request longer meanwhile", waits["low"], waits["high"], "ms")
                run.predict(QUESTION, "worked off by a worker of its own", apart["low"], apart["high"], "s")
                # Nothing of it, by the answer; what is below a tenth of the shared wait counts as nothing.
                run.predict(QUESTION, "a person's request longer, with that worker", -0.1 * waits["value"], 0.1 * waits["value"], "ms")
                seconds, longer = bridge.burst(people.clients[1])
        run.measured(QUESTION, "worked off beside people", seconds)
        run.measured(QUESTION, "a person's request longer meanwhile", longer)
        with cluster.cluster(run, "monolith", settings, extra=POOL) as state:
            bridge = Bridge(state)
            with clients.People(state, count=6) as people:
                bridge.calmly(5, 2.0)
                seconds, longer = bridge.burst(people.clients[1])
        run.measured(QUESTION, "worked off by a worker of its own", seconds)
        run.measured(QUESTION, "a person's request longer, with that worker", longer)


class Bridge:
    """Users of a bridge, each in a room of its own, so that no room's lock makes one wait for the other."""

    def __init__(self, state):
        self.state, self.sent = state, 0
        self.rooms = {}
        for number in range(ROOMS):
            client = Client(state["url"], TOKEN)
            user = f"@bridge_{number}:{state['server_name']}"
            client.call("POST", "/_matrix/client/v3/register", {"type": "m.login.application_service", "username": f"bridge_{number}", "inhibit_login": True})
            self.rooms[user] = client.call("POST", "/_matrix/client/v3/createRoom", {"preset": "public_chat"}, user_id=user)["room_id"]

    def say(self, client, user, transaction):
        path = f"/_matrix/client/v3/rooms/{quote(self.rooms[user])}/send/m.room.message/{transaction}"
        client.call("PUT", path, {"msgtype": "m.text", "body": "from the bridge"}, user_id=user)

    def calmly(self, seconds, rate):
        """So many messages a second for a time."""
        client, users = Client(self.state["url"], TOKEN), list(self.rooms)
        began = time.monotonic()
        for number in range(round(seconds * rate)):
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            self.say(client, users[number % ROOMS], f"calm-{seconds}-{number}")

    def burst(self, person):
        """Sends BURST messages at once. Returns the seconds until all are answered, and by how many ms a person's requests took longer meanwhile."""
        users = list(self.rooms)
        connections = [Client(self.state["url"], TOKEN) for _ in range(BURST)]
        person = Client(self.state["url"], person.token)
        before = self._probe(person, lambda: len(taken) < 60, taken := [])
        with concurrent.futures.ThreadPoolExecutor(BURST) as together:
            began = time.monotonic()
            sent = [together.submit(self.say, client, users[number % ROOMS], f"burst-{number}") for number, client in enumerate(connections)]
            meanwhile = self._probe(person, lambda: not all(future.done() for future in sent), [])
            for future in sent:
                future.result()
            seconds = time.monotonic() - began
        return seconds, 1000 * (statistics.mean(meanwhile) - statistics.mean(before))

    @staticmethod
    def _probe(person, going_on, taken):
        """Times of small requests of a person, one after another."""
        while going_on() or not taken:
            began = time.monotonic()
            person.call("GET", "/_matrix/client/v3/joined_rooms")
            taken.append(time.monotonic() - began)
            time.sleep(0.02)
        return taken
