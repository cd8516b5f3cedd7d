"""docker compose: `docker-compose config` accepts the file, and what its services name is there."""

import re

import yaml

from . import common
from .common import LOOPBACK, documents, run, same


def check(written):
    out = run("docker-compose", "-f", "compose.yaml", "config", cwd=written.folder)
    # What the program understood: anchors merged, variables replaced, short forms written out.
    services = yaml.safe_load(out)["services"]
    synapse = synapse_services(written, services)
    same("services of workers", set(synapse) - {None}, {worker["name"] for worker in written.workers})
    common.load(written, lambda name: [at_home(written, path) for path in config_paths(services[synapse[name]])])
    addresses(written, services)
    limits(written, services, synapse)
    for name, service in services.items():
        test = service.get("healthcheck", {})
        if not test.get("disable") and not test.get("test"):
            raise common.Problem(f"the service {name} has no health check")
        for mount in service.get("volumes", []):
            source = mount.partition(":")[0]
            if "/" in source and source.startswith(str(written.folder)) and not source.endswith("/data"):
                same(f"{name}'s {source} exists", (written.folder / source).exists(), True)
    read = common.plan_is_read_back(written, common.audit(written, [written.folder]))
    return f"{len(services)} services, {len(synapse)} processes loaded, {read} requests read back"


def config_paths(service):
    """The files of a service's command, in order."""
    return [word.removeprefix("--config-path=") for word in service["command"] if word.startswith("--config-path=")]


def at_home(written, path):
    """A file of a container where wsim wrote it; None for the homeserver's own file."""
    return None if path == "/data/homeserver.yaml" else written.folder / path.removeprefix("/wsim/")


def synapse_services(written, services):
    """worker's name, None for the main process -> name of its service."""
    found = {}
    for name, service in services.items():
        if "SYNAPSE_WORKER" in service.get("environment", {}):
            last = config_paths(service)[-1]
            is_worker = "/workers/" in last
            found[documents(at_home(written, last).read_text())[0]["worker_name"] if is_worker else None] = name
    return found


def addresses(written, services):
    """Every host that is written is a service, and no address is one of the own container."""
    shared = documents(written.text("synapse/workers.yaml"))[0]
    hosts = {entry["host"] for entry in (shared or {}).get("instance_map", {}).values() if "host" in entry}
    hosts |= {address.rpartition(":")[0] for worker in written.workers for address in (worker["address"], worker["replication"]) if address and not address.startswith("unix:")}
    same("hosts that are no services", hosts - set(services), set())
    for file in (written.folder / "proxy").rglob("*"):
        # Docker's DNS is at a loopback address in every container, and the admin API is open to the proxy's own one.
        lines = [line for line in file.read_text().splitlines() if LOOPBACK.search(line)] if file.is_file() else []
        allowed = re.compile(r"127\.0\.0\.0/8|127\.0\.0\.11|^\s*#")
        same(f"loopback addresses in {file.name}", [line for line in lines if not allowed.search(line)], [])


def limits(written, services, synapse):
    expected = written.limits()
    for worker, service in synapse.items():
        own, limit = services[service], expected.get(worker or "main")
        found = None
        if "cpus" in own:
            found = (float(own["cpus"]), 100.0)
        elif "cpu_quota" in own:
            found = (int(own["cpu_quota"]) / int(own["cpu_period"]), int(own["cpu_period"]) / 1000)
        same(f"{service}'s limit", found, limit)
