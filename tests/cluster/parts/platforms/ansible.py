"""matrix-docker-ansible-deploy: Ansible renders the playbook's rules with the written variables, and every request goes to the kind of worker that
stands for its pool, or to the main process where the command said so."""

import json
import os
import subprocess
import sys
from pathlib import Path

from . import common
from .common import documents, same

ONE_AT_MOST = ("appservice", "user_dir", "background")
SPECIALISED = ("room", "sync", "client_reader", "federation_reader")
ROLES = {
    "federation_sender": "federation_sender_instances",
    "pusher": "pusher_instances",
    "appservice": "notify_appservices_from_worker",
    "user_dir": "update_user_directory_from_worker",
    "background": "run_background_tasks_on",
}


def check(written):
    variables = documents(written.text("ansible/vars.yml"))[0]
    if not variables["matrix_synapse_workers_enabled"]:
        return "no workers"
    count = lambda kind: int(variables[f"matrix_synapse_workers_{kind}_workers_count"])
    # The playbook refuses these (tasks/validate_config.yml).
    for kind in ONE_AT_MOST:
        same(f"more than one {kind}", count(kind) > 1, False)
    same("generic workers beside specialised ones", count("generic") > 0 and any(count(kind) for kind in SPECIALISED), False)
    plan = written.plan
    for stream, names in plan.get("stream_writers", {}).items():
        names = [names] if isinstance(names, str) else names
        same(f"writers of {stream}", variables[f"matrix_synapse_workers_stream_writer_{stream}_stream_workers_count"], len(names))
    for kind, setting in ROLES.items():
        names = plan.get("duties", {}).get(setting, [])
        same(kind, count(kind), 1 if isinstance(names, str) else len(names))
    served = sum(count(kind) for kind in ("generic", *SPECIALISED, "media_repository"))
    requests = common.examples()
    expected = common.routes(written.program, written.folder / "plan.toml", requests)
    same("workers of pools", served >= len({server.partition("=")[0] for pool in plan.get("pool", []) if pool["name"] in expected.values() for server in pool["servers"]}), True)
    conf = render(written)
    found = routes(written, conf, requests)
    kinds, stay = {}, []
    for request in requests:
        pool = expected[request]
        goes = found[request]
        if pool.startswith("writers of "):
            wanted = f"stream_{pool.removeprefix('writers of ')}"
            # Events are written by whoever takes the request.
            same(request, goes, wanted)
        elif goes == "main":
            stay += [request] if pool != "main" else []
        elif pool == "main":
            # A path without its method: the writer serves reading, too.
            same(f"{request} is served by a writer", goes.startswith("stream_"), True)
        else:
            same(f"{request}: one kind for pool {pool}", kinds.setdefault(pool, goes), goes)
    unexpected = [request for request in stay if not is_said(written, request)]
    same("requests that stay with the main process, and no note says so", unexpected, [])
    return f"{served} workers, {len(requests) - len(stay)} of {len(requests)} requests where the plan sends them, {len(stay)} with the main process as said"


def is_said(written, request):
    """Whether the notes of the command explain that a request stays with the main process."""
    notes = " ".join(written.report["warnings"])
    method, path = request.split(" ", 1)
    if "register" in path:
        return "sends registration" in notes
    if path.startswith(("/_matrix/federation", "/_matrix/key")):
        return "of federation stay" in notes or "of clients stay" in notes
    return "for some methods only" in notes and any(word in path for word in ("presence", "pushrules", "tags", "devices", "profile", "directory", "keys", "state", "account_data"))


def render(written):
    playbook = written.scratch / "render.yml"
    conf = written.scratch / "companion.conf"
    task = {"ansible.builtin.template": {"src": str(Path(__file__).parent / "companion.conf.j2"), "dest": str(conf)}, "name": "Render the playbook's rules"}
    playbook.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "vars_files": [str(written.folder / "ansible/vars.yml")], "tasks": [task]}]))
    environment = os.environ | {"ANSIBLE_LOCALHOST_WARNING": "False", "ANSIBLE_HOME": str(written.scratch / "ansible"), "ANSIBLE_NOCOLOR": "1"}
    programs = Path(sys.executable).parent
    common.run(programs / "ansible-playbook", "-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}", playbook, env=environment)
    return conf


def routes(written, conf, requests):
    """request -> upstream of the rendered file: clients' and federation's sites, as the audit reads them."""
    out = subprocess.run(
        [written.program, "audit", conf, "--json", "--synapse-version", written.report["synapse"], "--route", "-"],
        input="".join(request + "\n" for request in requests),
        capture_output=True,
        text=True,
    )
    if out.returncode not in (0, 3):
        raise common.Problem(out.stderr)
    found = json.loads(out.stdout)["routes"]
    return {request: route["destination"] for request, route in zip(requests, found, strict=True)}
