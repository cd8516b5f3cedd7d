"""NixOS: Nix itself evaluates the module, and its options have the types that the module of nixpkgs declares; from the values come the files that
NixOS would write, for Synapse's own loader."""

import json
import re

from . import common
from .common import run, same

# What the module of nixpkgs accepts (nixos/modules/services/matrix/synapse.nix).
RESOURCES = {"client", "consent", "federation", "health", "keys", "media", "metrics", "openid", "replication", "static"}
LISTENER = {"port", "bind_addresses", "path", "mode", "type", "tls", "x_forwarded", "resources"}
OWN = {"enable", "enableRegistrationScript", "extraConfigFiles", "configureRedisLocally", "log", "settings", "workers"}


def check(written):
    expression = "(import ./wsim.nix) { config = {}; lib = {}; pkgs = {}; }"
    out = run("nix-instantiate", "--store", "dummy://", "--eval", "--strict", "--json", "--expr", expression, cwd=written.folder)
    module = json.loads(out)
    synapse = module["services"]["matrix-synapse"]
    same("options that services.matrix-synapse does not have", set(synapse) - OWN, set())
    settings, workers = synapse["settings"], synapse.get("workers", {})
    for listener in [*settings["listeners"], *(listener for worker in workers.values() for listener in worker["worker_listeners"])]:
        check_listener(listener)
    if synapse.get("configureRedisLocally"):
        settings["redis"] = {"enabled": True, "path": "/run/redis-matrix-synapse/redis.sock"}
    if workers:
        main_is_found(settings)
    shared = write(written, "homeserver", settings | {"listeners": [final(listener) for listener in settings["listeners"]]})
    secret = [written.folder / "synapse" / "replication-secret.yaml"] if synapse.get("extraConfigFiles") else []
    paths = {None: [None, shared, *secret]}
    for name, worker in workers.items():
        own = worker | {"worker_app": "synapse.app.generic_worker", "worker_name": name, "worker_listeners": [final(listener) for listener in worker["worker_listeners"]]}
        paths[name] = [None, shared, *secret, write(written, name, own)]
    common.load(written, paths.__getitem__)
    limits(written, module)
    # The audit reads the proxy's files, and Synapse's as NixOS would write them.
    files = [path for path in (written.folder / "proxy").rglob("*") if path.is_file()]
    own = {path for found in paths.values() for path in found[1:]} - set(secret)
    report = common.audit(written, [*files, shared, *sorted(own - {shared})])
    read = common.plan_is_read_back(written, report)
    return f"{len(workers)} workers evaluated and loaded, {read} requests read back"


def check_listener(listener):
    same("options that a listener does not have", set(listener) - LISTENER, set())
    same("type", listener["type"] in ("http", "metrics"), True)
    if listener["type"] == "metrics":
        return
    if "path" in listener:
        same("mode", bool(re.fullmatch("[0,2-7]{3,4}", listener["mode"])), True)
        same("options that a socket must not have", {"port", "bind_addresses", "tls"} & set(listener), set())
    else:
        same("port and TLS", (isinstance(listener["port"], int), listener["tls"]), (True, False))
    for resource in listener["resources"]:
        same("resources that NixOS does not know", set(resource["names"]) - RESOURCES, set())


def main_is_found(settings):
    """The module's own assertion: a listener with `replication` is at the address of `main`."""
    main = settings["instance_map"]["main"]
    serves = [listener for listener in settings["listeners"] if any("replication" in resource["names"] for resource in listener.get("resources", []))]
    at = [listener for listener in serves if listener.get("path") == main.get("path") and listener.get("port") == main.get("port")]
    bound = [listener for listener in at if "path" in main or {main["host"], "0.0.0.0", "::"} & set(listener["bind_addresses"])]
    same("replication listeners at the address of main", len(bound), 1)


def final(listener):
    """A listener as the module writes it: without nulls, and with a mode in decimal."""
    return listener | ({"mode": int(listener["mode"], 8), "x_forwarded": True} if "path" in listener else {})


def write(written, name, settings):
    file = written.scratch / f"nixos-{name}.yaml"
    file.write_text(json.dumps(settings))
    return file


def limits(written, module):
    units = module.get("systemd", {}).get("services", {})
    found = {}
    for unit, service in units.items():
        name = "main" if unit == "matrix-synapse" else unit.removeprefix("matrix-synapse-worker-")
        own = service["serviceConfig"]
        found[name] = (float(own["CPUQuota"].removesuffix("%")) / 100, float(own["CPUQuotaPeriodSec"].removesuffix("ms")))
    same("limits", found, written.limits())
