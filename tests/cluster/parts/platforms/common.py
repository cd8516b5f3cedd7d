"""A configuration that wsim wrote, and checks that all platforms share."""

import json
import re
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

import yaml

from .. import synapse, wsim
from ..problem import Problem

# What a homeserver has besides the written settings. The database is never opened: the loader only reads the files.
BASE = {
    "server_name": "wsim.test",
    "report_stats": False,
    "suppress_key_server_warning": True,
    "signing_key": "ed25519 a_wsim " + "A" * 43,
    "macaroon_secret_key": "x",
    "form_secret": "x",
    "media_store_path": "/nowhere/media",
    "database": {"name": "psycopg2", "args": {"dbname": "x"}},
}
LOOPBACK = re.compile(r"\b(127\.0\.0\.1|localhost)\b")


@dataclass
class Written:
    """The folder of one configuration, and what `wsim configure --json` printed."""

    program: str
    folder: Path
    report: dict
    scratch: Path

    @property
    def workers(self):
        return self.report["workers"]

    @property
    def plan(self):
        return tomllib.loads((self.folder / "plan.toml").read_text())

    def text(self, path):
        return (self.folder / path).read_text()

    def limits(self):
        """process -> (cores, ms of a period) of the plan, for processes that have less than a core."""
        plan, names, limits = self.plan, {}, {}
        for pool in plan.get("pool", []):
            for number, server in enumerate(pool.get("servers", []), 1):
                names.setdefault(server.partition("=")[0], (f"{pool['name']}{number}", pool))
        for name, pool in names.values():
            limits[name] = (pool.get("cpu", 1.0), pool.get("cpu_period", 100.0))
        for name, own in plan.get("process", {}).items():
            limits[name] = (own.get("cpu", 1.0), own.get("cpu_period", 100.0))
        return {name: limit for name, limit in limits.items() if limit[0] < 1}


def same(what, found, expected):
    """Raises a Problem unless both are the same."""
    if found != expected:
        raise Problem(f"{what}: found {found!r}, expected {expected!r}")


def documents(text):
    """The documents of a YAML file, as PyYAML reads them, which Synapse uses too."""
    return [document for document in yaml.safe_load_all(text) if document is not None]


def run(*command, cwd=None, env=None):
    """Runs a program and returns what it prints."""
    done = subprocess.run([str(word) for word in command], cwd=cwd, env=env, capture_output=True, text=True)
    if done.returncode != 0:
        raise Problem(f"{' '.join(str(word) for word in command)[:300]} ended with status {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


def load(written, files_of):
    """Loads each process' files (`files_of`: worker's name, or None for the main process -> files in order) with Synapse's own loader, and checks
    that it understood them as planned."""
    base = written.scratch / "base.yaml"
    base.write_text(json.dumps(BASE))
    shared = [base if file is None else file for file in files_of(None)]
    workers = [files_of(worker["name"])[-1] for worker in written.workers]
    for worker in written.workers:
        same(f"{worker['name']}'s files before its own", [base if file is None else file for file in files_of(worker["name"])][:-1], shared)
    loader = Path(__file__).parents[1] / "loader.py"
    out = run(synapse.python(), "-P", loader, *shared, "--", *workers)
    found = json.loads(out.splitlines()[-1])
    for worker in written.workers:
        expect(found[worker["name"]], worker)
    # For Prometheus either every worker has one listener, or none has.
    counts = {len(found[worker["name"]]["metrics"]) for worker in written.workers}
    same("listeners for metrics", counts in ({0}, {1}, set()), True)
    return found


def expect(found, worker):
    """Checks that the loader understood a worker's files as planned."""
    addresses = [address for address in (worker["address"], worker["replication"]) if address]
    ports = {int(address.rpartition(":")[2]) for address in addresses if not address.startswith("unix:")}
    sockets = {address.removeprefix("unix:") for address in addresses if address.startswith("unix:")}
    checks = {
        "name": (found["name"], worker["name"]),
        "ports": (set(found["ports"]), ports),
        "sockets": ({path for path, _ in found["sockets"]}, sockets),
        # Twisted wants a number; a text would stop the worker when it listens.
        "modes of sockets": ({mode for _, mode in found["sockets"]} - {0o666, 0o600}, set()),
        "streams": (sorted(found["streams"]), sorted(worker["streams"])),
        "pushes": (found["pusher"], "pusher_instances" in worker["duties"]),
        "sends": (found["sender"], "federation_sender_instances" in worker["duties"]),
        "background": (found["background"], "run_background_tasks_on" in worker["duties"]),
        "appservices": (found["appservices"], "notify_appservices_from_worker" in worker["duties"]),
        "directory": (found["directory"], "update_user_directory_from_worker" in worker["duties"]),
    }
    for what, (loaded, planned) in checks.items():
        same(f"{worker['name']}: {what}", loaded, planned)


def audit(written, files):
    """Audits files and returns the report. There must be no error, and nothing that could not be evaluated."""
    out = wsim.call(written.program, "audit", *files, "--json", "--synapse-version", written.report["synapse"], "--fail-on", "never")
    report = json.loads(out)
    errors = [finding for finding in report["findings"] if finding["severity"] == "error"]
    same("errors of the audit", errors, [])
    same("requests that the audit could not evaluate", report["not_evaluated"], 0)
    return report


def plan_is_read_back(written, report):
    """Checks that the audit's plan sends every example request where the written plan sends it, and names the same writers and roles."""
    derived = written.scratch / "derived.toml"
    derived.write_text(report["plan"])
    requests = examples()
    found, expected = routes(written.program, derived, requests), routes(written.program, written.folder / "plan.toml", requests)
    own, read = written.plan, tomllib.loads(report["plan"])
    servers = lambda plan, pool: next((sorted(entry["servers"]) for entry in plan.get("pool", []) if entry["name"] == pool), pool)
    for request in requests:
        if "/_synapse/admin" not in request:
            same(f"where {request} goes", servers(read, found[request]), servers(own, expected[request]))
    # The files name a worker that clears old media, whether the plan does or not.
    media = "media_instance_running_background_jobs"
    duties = {name: value for name, value in read.get("duties", {}).items() if name != media or media in own.get("duties", {})}
    same("stream_writers", read.get("stream_writers", {}), own.get("stream_writers", {}))
    same("duties", duties, own.get("duties", {}))
    return len(requests)


def examples():
    """Requests of every group of the endpoint table, and some that only the main process serves."""
    return (Path(__file__).parent / "requests.txt").read_text().splitlines()


def routes(program, plan, requests):
    """request -> pool, `main` or `writers of STREAM`, by the plan."""
    words = [word for request in requests for word in ("--request", request)]
    lines = [json.loads(line) for line in wsim.call(program, "route", "--plan", plan, "--json", *words).splitlines()]
    return {request: line["pool"] for request, line in zip(requests, lines, strict=True)}
