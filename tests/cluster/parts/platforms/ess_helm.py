"""ess-helm: the values fit the chart's schema as far as it is about workers, and stand for the plan's processes."""

import re

from .common import documents, same

# charts/matrix-stack/source/synapse.json: workers with several replicas, and workers with one at most.
SCALABLE = {
    *("client-reader", "device-lists", "event-creator", "event-persister", "federation-inbound", "federation-reader", "federation-sender"),
    *("initial-synchrotron", "mas-helper", "pusher", "receipts", "sliding-sync", "synchrotron"),
}
SINGLE = {
    *("account-data", "appservice", "background", "encryption", "media-repository", "presence-writer", "push-rules", "sso-login"),
    *("typing-persister", "user-dir"),
}
STREAMS = {
    "account-data": "account_data",
    "device-lists": "device_lists",
    "encryption": "to_device",
    "event-persister": "events",
    "presence-writer": "presence",
    "push-rules": "push_rules",
    "receipts": "receipts",
    "typing-persister": "typing",
}
ROLES = {
    "appservice": "notify_appservices_from_worker",
    "background": "run_background_tasks_on",
    "federation-sender": "federation_sender_instances",
    "pusher": "pusher_instances",
    "user-dir": "update_user_directory_from_worker",
}
QUANTITY = re.compile(r"[0-9]+m?")


def check(written):
    values = documents(written.text("ess-helm/values.yaml"))[0]
    same("top-level values", set(values), {"synapse"})
    synapse = values["synapse"]
    same("values of synapse", set(synapse) - {"workers", "resources", "redis", "serviceMonitors"}, set())
    if "serviceMonitors" in synapse:
        same("serviceMonitors", synapse["serviceMonitors"], {"enabled": True})
    workers = synapse["workers"]
    same("types that the chart does not have", set(workers) - SCALABLE - SINGLE, set())
    plan = written.plan
    for name, worker in workers.items():
        same(f"keys of {name}", set(worker) - {"enabled", "replicas", "resources"}, set())
        if not worker["enabled"]:
            continue
        same(f"{name}'s replicas are possible", worker["replicas"] >= 1 and (name in SCALABLE or worker["replicas"] == 1), True)
        for amounts in worker.get("resources", {}).values():
            same(f"{name}'s resources", [amount for amount in amounts.values() if not QUANTITY.fullmatch(amount)], [])
    names = lambda found: [] if found is None else [found] if isinstance(found, str) else found
    for kind, part, of in [(STREAMS, "stream_writers", "writes"), (ROLES, "duties", "has")]:
        for name, key in kind.items():
            planned = len(names(plan.get(part, {}).get(key)))
            found = workers[name]["replicas"] if workers[name]["enabled"] else 0
            same(f"{name}, which {of} {key}", found, min(planned, 1) if name in SINGLE else planned)
    enabled = sum(worker["replicas"] for worker in workers.values() if worker["enabled"])
    # More or fewer processes than planned are never silent.
    said = any(f"ess-helm starts {enabled}" in note for note in written.report["warnings"])
    same(f"a note says that there are {enabled} workers instead of {len(written.workers)}", said, enabled != len(written.workers))
    return f"{enabled} workers for {len(written.workers)} of the plan"
