"""People whose clients wait for news and say something, by a schedule that a seed makes: the same acts in every run, and syncs as the server answers."""

import random
import threading
import time

from ..matrix import Client, MatrixError, quote


class People:
    """Some users in some rooms, each with a client that waits for news."""

    def __init__(self, state, count=10, rooms=3, prefix="p"):
        self.state, self.syncs, self.errors = state, 0, 0
        self.clients = [Client(state["url"]).register(state["secret_file"], f"{prefix}{number}") for number in range(count)]
        self.rooms = []
        for number in range(rooms):
            created = self.clients[0].call("POST", "/_matrix/client/v3/createRoom", {"preset": "public_chat", "name": f"{prefix} {number}"})
            self.rooms.append(created["room_id"])
        # Everybody is in the first room, and in every other one by turns.
        for number, client in enumerate(self.clients[1:], 1):
            for index, room in enumerate(self.rooms):
                if index == 0 or number % (len(self.rooms) - 1 or 1) == index - 1:
                    client.call("POST", f"/_matrix/client/v3/join/{quote(room)}", {})
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._wait_for_news, args=(client,), daemon=True) for client in self.clients]
        self._lock = threading.Lock()

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()

    def _wait_for_news(self, client):
        own = Client(self.state["url"], client.token)
        since = None
        while not self._stop.is_set():
            try:
                since = own.call("GET", "/_matrix/client/v3/sync", since=since, timeout=30_000 if since else 0)["next_batch"]
                with self._lock:
                    self.syncs += 1
            except (MatrixError, OSError):
                self.errors += 1
                time.sleep(0.5)
            time.sleep(0.02)

    def act(self, seconds, messages, presence=0.0, seed=1):
        """So many messages and changes of presence a second for a time, at random instants. Returns the numbers of acts."""
        chance = random.Random(seed)
        acts = [(chance.uniform(0, seconds), "message") for _ in range(round(seconds * messages))]
        acts += [(chance.uniform(0, seconds), "presence") for _ in range(round(seconds * presence))]
        who = [(at, kind, chance.randrange(len(self.clients)), chance.randrange(len(self.rooms))) for at, kind in sorted(acts)]
        began = time.monotonic()
        for number, (at, kind, user, room) in enumerate(who):
            time.sleep(max(0.0, began + at - time.monotonic()))
            # The first user is in every room.
            client = self.clients[user if room == 0 or kind == "presence" else 0]
            if kind == "message":
                self.say(client, self.rooms[room], f"{seed}-{number}")
            else:
                body = {"presence": "online", "status_msg": f"{seed} {number}"}
                client.call("PUT", f"/_matrix/client/v3/presence/{quote(client.user)}/status", body)
        time.sleep(max(0.0, began + seconds - time.monotonic()))
        return len(who)

    def say(self, client, room, transaction):
        """Sends a message and returns its id."""
        path = f"/_matrix/client/v3/rooms/{quote(room)}/send/m.room.message/{transaction}"
        return client.call("PUT", path, {"msgtype": "m.text", "body": f"said {transaction}"})["event_id"]
