"""Replays a schedule that wsim exported, under Locust's own master and workers, or in one process.

    locust -f locustfile.py --headless --host https://test.example            one process
    locust -f locustfile.py --headless --host … --master --expect-workers 4    and four times: locust -f locustfile.py --worker

Beside this file: `requests.jsonl`, the schedule, and `users.jsonl`, an access token for each user (`wsim export --with-tokens`, or put your
own in place of the placeholders). The number of users comes from the schedule; `--users` and `--run-time` are not needed. Every machine
needs the same two files and a clock that is right.

What holds:
- A logged user is played by exactly one Locust user on one worker: each asks the master for a number when it is made, and the
  master gives every number once. No row runs twice, however many workers there are.
- All offsets count from one instant, which the master announces when every user stands ready. Nothing drifts: a request that is late does
  not move the next. Within a user's lane (its syncs are one, everything else the other) the next request waits for the answer.
- `since` and `pos` come from this homeserver's own answers, transaction ids are new, event ids are those of the world the schedule was
  written for or newer ones that a sync brought.
"""

import json
import os
import re
import time
import uuid
from pathlib import Path
from urllib.parse import quote

import gevent
from gevent.event import AsyncResult, Event
from locust import FastHttpUser, LoadTestShape, constant, events, task
from locust.runners import LocalRunner, MasterRunner, WorkerRunner

HERE = Path(os.environ.get("WSIM_EXPORT") or Path(__file__).resolve().parent)
# Between the moment when all users are ready and the first request.
HEAD_START_SECONDS = float(os.environ.get("WSIM_HEAD_START", "3"))
SYNC_FILTER = quote('{"room":{"timeline":{"limit":1},"state":{"lazy_load_members":true}}}', safe="")


def read_users():
    """user -> token, in the order of the file, which is the order of numbers."""
    users = {}
    with open(HERE / "users.jsonl", encoding="utf8") as lines:
        for line in lines:
            entry = json.loads(line)
            users[entry["user"]] = entry["token"]
    open_ends = sum(token.startswith("{{") for token in users.values())
    if open_ends:
        raise SystemExit(f"users.jsonl has placeholders instead of tokens for {open_ends} users: export --with-tokens, or put tokens there")
    return users


class Schedule:
    """The rows of the users that this process plays. The file is indexed once; only the rows of one's own users are kept."""

    def __init__(self):
        self.places = {}
        with open(HERE / "requests.jsonl", "rb") as lines:
            place = 0
            for line in lines:
                # The user is the first field; the row is parsed only when it is played.
                user = line[len(b'{"user":"') : line.index(b'"', len(b'{"user":"'))].decode()
                self.places.setdefault(user, []).append((place, len(line)))
                place += len(line)

    def rows(self, user):
        """The rows of a user in the order of their offsets."""
        with open(HERE / "requests.jsonl", "rb") as file:
            found = []
            for place, length in self.places.get(user, []):
                file.seek(place)
                found.append(json.loads(file.read(length)))
        return sorted(found, key=lambda row: row["at_us"])


USERS = read_users()
NAMES = list(USERS)
SCHEDULE = None
START = Event()
START_AT = [0.0]
WAITING = {}
# How late requests were sent, in classes of powers of two of a millisecond, and what else is counted: summed by the master.
COUNTS = {}
TOTALS = {}


def count(what, by=1):
    """Adds to a count that the master sums."""
    COUNTS[what] = COUNTS.get(what, 0) + by


class Desk:
    """Gives numbers out and hears who is done; lives on the master, or in the only process."""

    def __init__(self, environment):
        self.environment = environment
        self.given = 0
        self.ready = 0
        self.done = 0

    def next(self):
        """The next user's name, or None when all are given."""
        if self.given == len(NAMES):
            return None
        self.given += 1
        return NAMES[self.given - 1]

    def one_ready(self):
        """Announces the start when the last user is ready."""
        self.ready += 1
        if self.ready == len(NAMES):
            start = time.time() + HEAD_START_SECONDS
            print(f"wsim: {len(NAMES)} users are ready; the schedule begins in {HEAD_START_SECONDS:g} s", flush=True)
            runner = self.environment.runner
            if isinstance(runner, MasterRunner):
                for client in list(runner.clients.all):
                    runner.send_message("wsim_start", {"at": start}, client.id)
            else:
                begin(start)

    def one_done(self):
        """Ends the run after the last user, with time for the workers' last report."""
        self.done += 1
        if self.done == len(NAMES):
            runner = self.environment.runner
            gevent.spawn_later(4 if isinstance(runner, MasterRunner) else 0.5, runner.quit)


DESK = None


def begin(at):
    """The instant from which offsets count, seconds since 1970."""
    START_AT[0] = at
    START.set()


@events.init.add_listener
def wire(environment, **_):
    """Messages between master and workers."""
    global DESK, SCHEDULE
    runner = environment.runner
    if not isinstance(runner, MasterRunner):
        SCHEDULE = Schedule()
    if not isinstance(runner, WorkerRunner):
        DESK = Desk(environment)
    if isinstance(runner, MasterRunner):
        runner.register_message("wsim_next", lambda environment, msg, **_: runner.send_message(
            "wsim_user", {"ticket": msg.data["ticket"], "user": DESK.next()}, msg.node_id))
        runner.register_message("wsim_ready", lambda environment, msg, **_: DESK.one_ready())
        runner.register_message("wsim_done", lambda environment, msg, **_: DESK.one_done())
    elif isinstance(runner, WorkerRunner):
        runner.register_message("wsim_user", lambda environment, msg, **_: WAITING.pop(msg.data["ticket"]).set(msg.data["user"]))
        runner.register_message("wsim_start", lambda environment, msg, **_: begin(msg.data["at"]))


@events.report_to_master.add_listener
def report(client_id, data, **_):
    """A worker's counts since its last report."""
    data["wsim"] = dict(COUNTS)
    COUNTS.clear()


@events.worker_report.add_listener
def collect(client_id, data, **_):
    """Sums them on the master."""
    for what, number in data.get("wsim", {}).items():
        TOTALS[what] = TOTALS.get(what, 0) + number


@events.quit.add_listener
def account(exit_code, **_):
    """What was scheduled, sent and late; by whoever holds the desk."""
    if DESK is None:
        return
    totals = TOTALS if isinstance(DESK.environment.runner, MasterRunner) else COUNTS
    late = {int(what.removeprefix("late_ms_")): number for what, number in totals.items() if what.startswith("late_ms_")}
    sent = sum(late.values())
    summary = {
        "users": len(NAMES),
        "users_done": DESK.done,
        "sent": sent,
        "failed": totals.get("failed", 0),
        "late_ms_below": {str(bound): number for bound, number in sorted(late.items())},
    }
    (HERE / "account.json").write_text(json.dumps(summary, indent=1) + "\n")
    print("wsim: " + json.dumps(summary), flush=True)


def ask_desk(environment):
    """A number for a new Locust user."""
    if DESK is not None:
        return DESK.next()
    ticket = uuid.uuid4().hex
    WAITING[ticket] = AsyncResult()
    answer = WAITING[ticket]
    environment.runner.send_message("wsim_next", {"ticket": ticket})
    return answer.get()


def tell_desk(environment, what):
    """`ready` or `done`."""
    if DESK is not None:
        getattr(DESK, f"one_{what}")()
    else:
        environment.runner.send_message(f"wsim_{what}", {})


class AllUsers(LoadTestShape):
    """As many Locust users as the schedule has, at once."""

    def tick(self):
        return (len(NAMES), min(len(NAMES), 200))


class Player(FastHttpUser):
    """One logged user on one device."""

    wait_time = constant(3600)
    concurrency = 4
    # Longer than any sync waits.
    network_timeout = 120.0
    connection_timeout = 20.0
    max_redirects = 0

    def on_start(self):
        """Takes a number, makes ready, plays. Runs in the user's own greenlet."""
        self.name = ask_desk(self.environment)
        if self.name is None:
            return
        self.headers = {"Authorization": f"Bearer {USERS[self.name]}", "User-Agent": "wsim-replay/locust"}
        self.since, self.pos, self.events, self.previous = None, None, {}, {}
        self.serial = 0
        rows = SCHEDULE.rows(self.name)
        lanes = {}
        for row in rows:
            lanes.setdefault("sync" if row["kind"] != "plain" else "work", []).append(row)
        if any(row["kind"] == "sync" for row in rows):
            self.prime()
        tell_desk(self.environment, "ready")
        START.wait()
        gevent.joinall([gevent.spawn(self.play, lane) for lane in lanes.values()])
        tell_desk(self.environment, "done")

    @task
    def rest(self):
        """Everything is played from on_start; Locust wants a task."""

    def play(self, rows):
        """One lane: each row at its own instant, or as soon as the answer before it is there."""
        for row in rows:
            due = START_AT[0] + row["at_us"] / 1e6
            delay = due - time.time()
            if delay > 0:
                gevent.sleep(delay)
            late_ms = max(0.0, (time.time() - due) * 1000)
            bound = 1
            while bound < late_ms:
                bound *= 2
            count(f"late_ms_{bound}")
            self.send(row)

    def prime(self):
        """A first sync, before the schedule begins, so that the first `since` is of this homeserver."""
        with self.client.get(
            f"/_matrix/client/v3/sync?timeout=0&filter={SYNC_FILTER}", headers=self.headers, name="(prime)", catch_response=True
        ) as answer:
            self.learn(answer)

    def send(self, row):
        """One request."""
        target = self.fill(row["target"], row)
        headers, data = self.headers, None
        if row.get("body") is not None:
            headers = {**headers, "Content-Type": row.get("content_type") or "application/json"}
            data = self.fill(row["body"], row).encode()
        with self.client.request(
            row["method"], target, data=data, headers=headers, name=row["group"], catch_response=True, allow_redirects=False
        ) as answer:
            if 200 <= answer.status_code < 400:
                answer.success()
                if row["kind"] != "plain":
                    self.learn(answer)
            else:
                count("failed")
                answer.failure(f"status {answer.status_code}")

    def learn(self, answer):
        """Positions and event ids out of a sync."""
        try:
            body = answer.json()
        except (ValueError, AttributeError, TypeError):
            return
        if not isinstance(body, dict):
            return
        self.since = body.get("next_batch", self.since)
        self.pos = body.get("pos", self.pos)
        rooms = body.get("rooms") or {}
        # Sliding sync names the rooms directly.
        for room, part in (rooms.get("join", rooms) if isinstance(rooms, dict) else {}).items():
            if not isinstance(part, dict):
                continue
            timeline = part.get("timeline") or []
            timeline = timeline.get("events", []) if isinstance(timeline, dict) else timeline
            for event in timeline:
                if "event_id" in event:
                    self.events[room] = event["event_id"]
            before = part.get("prev_batch") or (part.get("timeline") or {}).get("prev_batch") if isinstance(part.get("timeline"), dict) else None
            if before:
                self.previous[room] = before

    def fill(self, text, row):
        """Puts what only this run knows in place of the placeholders."""
        if "{{" not in text:
            return text
        room = row.get("room", "")
        if "{{txn}}" in text:
            self.serial += 1
            text = text.replace("{{txn}}", f"wsim{int(START_AT[0])}{self.name}{self.serial}")
        if "{{event}}" in text:
            text = text.replace("{{event}}", quote(self.events.get(room) or row.get("event", ""), safe=""))
        for word, value in (("since", self.since), ("pos", self.pos), ("from", self.previous.get(room) or self.since)):
            if value is None:
                # Without a value there is no parameter: an empty position is an error, a missing one a beginning.
                text = re.sub(r"(?<=[?&])\w+=\{\{" + word + r"\}\}&?", "", text).rstrip("?&")
            text = text.replace("{{" + word + "}}", quote(value or "", safe=""))
        return text
