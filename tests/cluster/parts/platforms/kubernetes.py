"""Kubernetes: every manifest fits the schemas of a release, and the pods would find files, ports and each other."""

import kubernetes_validate

from . import common
from .common import documents, same

RELEASE = "1.31"


def check(written):
    objects = [document for file in sorted((written.folder / "kubernetes").glob("*.yaml")) for document in documents(file.read_text())]
    monitors = [thing for thing in objects if thing["kind"] == "ServiceMonitor"]
    for thing in objects:
        if thing in monitors:
            # A kind of the Prometheus operator's.
            continue
        # Strict: a key that the schema does not know is an error.
        kubernetes_validate.validate(thing, RELEASE, strict=True)
    of = lambda kind: {thing["metadata"]["name"]: thing for thing in objects if thing["kind"] == kind}
    maps, secrets, services = of("ConfigMap"), of("Secret"), of("Service")
    files = {name: thing["data"] for name, thing in maps.items()} | {name: thing["stringData"] for name, thing in secrets.items()}
    for name, data in files.items():
        for key, text in data.items():
            own = next(path for path in written.folder.rglob(key) if "kubernetes" not in path.parts and is_of(name, path))
            same(f"{name}: {key}", text, own.read_text())
    for monitor in monitors:
        check_monitor(monitor, services, written)
    pods = {}
    for name, workload in of("StatefulSet").items():
        template = workload["spec"]["template"]
        same(f"{name}'s replicas and Service", (workload["spec"]["replicas"], workload["spec"]["serviceName"] in services), (1, True))
        same(f"{name}'s selector", workload["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items(), True)
        service = services[name]
        same(f"the selector of the Service {name}", service["spec"]["selector"].items() <= template["metadata"]["labels"].items(), True)
        ports = {port["name"]: port["containerPort"] for port in template["spec"]["containers"][0].get("ports", [])}
        same(f"ports of {name}", {port["targetPort"]: port["port"] for port in service["spec"].get("ports", [])}, ports)
        pods[name] = Pod(written, name, template, files)
    common.load(written, {pod.worker: pod.paths for pod in pods.values()}.__getitem__)
    for worker in written.workers:
        for address in (worker["address"], worker["replication"]):
            if address:
                host, _, port = address.rpartition(":")
                same(f"{address} is a port of its Service", int(port) in [entry["port"] for entry in services[host]["spec"]["ports"]], True)
    limits = {pod.worker or "main": pod.limit for pod in pods.values() if pod.limit}
    same("limits", limits, {name: cores for name, (cores, _) in written.limits().items()})
    read = common.plan_is_read_back(written, common.audit(written, [written.folder]))
    return f"{len(objects)} manifests for Kubernetes {RELEASE}, {len(pods)} processes loaded, {read} requests read back"


def check_monitor(monitor, services, written):
    """Every process has a Service that the monitor selects, with the port and the labels that it takes."""
    (selected,), (endpoint,) = monitor["spec"]["selector"]["matchExpressions"], monitor["spec"]["endpoints"]
    found = [service for service in services.values() if selected["key"] in service["metadata"]["labels"]]
    same("monitored processes", {service["metadata"]["labels"][selected["key"]] for service in found}, {"main", *(worker["name"] for worker in written.workers)})
    for service in found:
        same("ports with metrics", [port["name"] for port in service["spec"]["ports"]].count(endpoint["port"]), 1)
        # Prometheus replaces what a label's name cannot have.
        names = {"__meta_kubernetes_service_label_" + name.replace(".", "_").replace("/", "_").replace("-", "_") for name in service["metadata"]["labels"]}
        same("labels", {source for rule in endpoint["relabelings"] for source in rule["sourceLabels"]} - names, set())


def is_of(name, path):
    """Whether a file belongs to the ConfigMap or Secret of that name."""
    folder = {"synapse-workers": "workers", "synapse-log": "log", "synapse-config": "synapse", "synapse-replication": "synapse"}.get(name)
    return path.parent.name == folder if folder else "proxy" in path.parts


class Pod:
    """The files that a pod sees, and its limit."""

    def __init__(self, written, name, template, files):
        container = template["spec"]["containers"][0]
        volume = next(volume for volume in template["spec"]["volumes"] if volume["name"] == "files")
        folder = next(mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == "files")
        seen = {}
        for source in volume["projected"]["sources"]:
            (kind, part), = source.items()
            data = files[part["name"]]
            for item in part.get("items", [{"key": key, "path": key} for key in data]):
                seen[f"{folder}/{item['path']}"] = data[item["key"]]
        self.paths, self.worker = [], None
        for number, word in enumerate(word for word in container["args"] if word.startswith("--config-path=")):
            path = word.removeprefix("--config-path=")
            if path == "/homeserver/homeserver.yaml":
                self.paths.append(None)
                continue
            text = seen[path]
            file = written.scratch / (path.removeprefix("/wsim/").replace("/", "-"))
            file.write_text(text)
            self.paths.append(file)
            settings = documents(text)
            if settings and "worker_name" in settings[0]:
                self.worker = settings[0]["worker_name"]
                same(f"{name} sees its log settings", settings[0]["worker_log_config"] in seen, True)
        cpu = container.get("resources", {}).get("limits", {}).get("cpu")
        self.limit = float(cpu.removesuffix("m")) / 1000 if cpu else None
