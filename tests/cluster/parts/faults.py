"""Faults planted in a sound configuration of Synapse, one at a time.

Each fault changes the texts of the files. `code` is the finding that `wsim audit` must give; `since` is the first release to which the fault
applies, `until` the first to which it no longer does.
"""

from dataclasses import dataclass, field

HOMESERVER = """\
server_name: wsim.test
report_stats: false
suppress_key_server_warning: true
signing_key: ed25519 a_wsim AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
macaroon_secret_key: x
form_secret: x
media_store_path: MEDIA
database: {name: psycopg2, args: {dbname: x}}
listeners:
  - {port: 8008, type: http, x_forwarded: true, bind_addresses: [127.0.0.1], resources: [{names: [client, federation]}]}
  - {port: 9093, type: http, bind_addresses: [127.0.0.1], resources: [{names: [replication]}]}
redis: {enabled: true}
worker_replication_secret: made-up
instance_map:
  main: {host: localhost, port: 9093}
  writer1: {host: localhost, port: 9094}
stream_writers: {typing: writer1}
federation_sender_instances: [sender1]
"""
WRITER = """\
worker_app: synapse.app.generic_worker
worker_name: writer1
worker_listeners:
  - {port: 8083, type: http, x_forwarded: true, bind_addresses: [127.0.0.1], resources: [{names: [client]}]}
  - {port: 9094, type: http, bind_addresses: [127.0.0.1], resources: [{names: [replication]}]}
"""
SENDER = """\
worker_app: synapse.app.generic_worker
worker_name: sender1
"""
# Before 1.84 the main process is not in instance_map, and every worker says where it is.
OLD_MAIN = "worker_replication_host: 127.0.0.1\nworker_replication_http_port: 9093\n"
SOUND = {"homeserver.yaml": HOMESERVER, "writer1.yaml": WRITER, "sender1.yaml": SENDER}


@dataclass
class Fault:
    """One fault."""

    name: str
    code: str
    # File, the text to replace (empty to append), the replacement.
    changes: list
    since: tuple = (1, 59)
    until: tuple = (9, 0)
    more_files: dict = field(default_factory=dict)


def homeserver(old, new):
    return ("homeserver.yaml", old, new)


def writer(old, new):
    return ("writer1.yaml", old, new)


def sender(old, new):
    return ("sender1.yaml", old, new)


MAIN_ENTRY = "  main: {host: localhost, port: 9093}\n"
FAULTS = [
    Fault("no main in instance_map", "no-main-instance", [homeserver(MAIN_ENTRY, "")], since=(1, 88)),
    Fault("empty instance_map", "bad-instance", [homeserver(MAIN_ENTRY + "  writer1: {host: localhost, port: 9094}\n", ""), homeserver("stream_writers: {typing: writer1}\n", "")], since=(1, 84)),
    Fault("port in quotes in instance_map", "bad-instance", [homeserver("port: 9094", "port: '9094'")], since=(1, 82)),
    Fault("no port in instance_map", "bad-instance", [homeserver("localhost, port: 9094", "localhost")]),
    Fault("no host in instance_map", "bad-instance", [homeserver("{host: localhost, port: 9094}", "{port: 9094}")]),
    Fault("host that is a number", "bad-instance", [homeserver("writer1: {host: localhost", "writer1: {host: 10")], since=(1, 82)),
    Fault("another replication port than in instance_map", "instance-address", [homeserver("port: 9094", "port: 9095")]),
    Fault("writer without a replication listener", "missing-resource", [writer("resources: [{names: [replication]}]", "resources: [{names: [client]}]")]),
    Fault("main process without a replication listener", "instance-address", [homeserver("resources: [{names: [replication]}]", "resources: [{names: [health]}]")], since=(1, 84)),
    Fault("redis off", "no-redis", [homeserver("redis: {enabled: true}", "redis: {enabled: false}")], since=(1, 67)),
    Fault("no redis", "no-redis", [homeserver("redis: {enabled: true}\n", "")], since=(1, 67)),
    Fault("two passwords of redis", "redis-passwords", [homeserver("redis: {enabled: true}", "redis: {enabled: true, password: a, password_path: /dev/null}")], since=(1, 117)),
    Fault("SQLite with workers", "sqlite-with-workers", [homeserver("psycopg2, args: {dbname: x}", "sqlite3, args: {database: ':memory:'}")]),
    Fault("a database that Synapse does not have", "unknown-database", [homeserver("psycopg2", "mysql")]),
    Fault("writer that is not in instance_map", "writer-not-mapped", [homeserver("typing: writer1", "typing: writer2")]),
    Fault("a stream that does not exist", "unknown-stream", [homeserver("typing: writer1", "typping: writer1")]),
    Fault("a stream of a later release", "unknown-stream", [homeserver("typing: writer1", "thread_subscriptions: writer1")], until=(1, 135)),
    Fault("two writers of typing", "several-writers", [homeserver("typing: writer1", "typing: [writer1, sender1]"), homeserver("instance_map:\n", "instance_map:\n  sender1: {host: localhost, port: 9097}\n")]),
    Fault("two writers of receipts", "several-writers", [homeserver("typing: writer1", "receipts: [writer1, sender1]"), homeserver("instance_map:\n", "instance_map:\n  sender1: {host: localhost, port: 9097}\n")], until=(1, 96)),
    Fault("no writer of typing", "no-writer", [homeserver("typing: writer1", "typing: []")]),
    Fault("typing with nothing behind it", "no-writer", [homeserver("typing: writer1", "typing:")]),
    Fault("main as writer", "main-is-master", [homeserver("typing: writer1", "typing: main")], since=(1, 84)),
    Fault("main runs background tasks", "main-is-master", [homeserver("", "run_background_tasks_on: main\n")]),
    Fault("main pushes", "main-is-master", [homeserver("", "pusher_instances: [main]\n")]),
    Fault("background tasks of nobody", "duty-of-nobody", [homeserver("", "run_background_tasks_on: nobody1\n")]),
    Fault("sender that does not exist", "duty-of-nobody", [homeserver("[sender1]", "[sender1, sender2]")]),
    Fault("two names for one role", "duty-of-nobody", [homeserver("", "notify_appservices_from_worker: [writer1, sender1]\n")]),
    Fault("sender that is not in the list", "idle-worker", [homeserver("federation_sender_instances: [sender1]\n", "")]),
    Fault("old sender beside the main process", "old-app-refused", [homeserver("federation_sender_instances: [sender1]\n", ""), sender("generic_worker", "federation_sender")]),
    Fault("old sender that is not in the list", "unlisted-worker", [homeserver("[sender1]", "[writer1]"), sender("generic_worker", "federation_sender")]),
    Fault("old pusher beside the main process", "old-app-refused", [sender("generic_worker", "pusher")]),
    Fault("old pusher", "deprecated-app", [homeserver("", "start_pushers: false\n"), sender("generic_worker", "pusher")], since=(1, 74)),
    Fault("old application for bridges beside the main process", "old-app-refused", [sender("generic_worker", "appservice")]),
    Fault("old application for bridges with the new setting", "old-app-refused", [homeserver("", "notify_appservices_from_worker: sender1\n"), sender("generic_worker", "appservice")]),
    Fault("old application for the directory", "old-app-refused", [sender("generic_worker", "user_dir")]),
    Fault("old and new setting contradict", "roles-contradict", [homeserver("", "notify_appservices: true\nnotify_appservices_from_worker: sender1\n")]),
    Fault("nobody notifies bridges", "duty-of-nobody", [homeserver("", "notify_appservices: false\n")]),
    Fault("two old workers for bridges", "several-workers-of-duty", [homeserver("", "notify_appservices: false\n"), sender("generic_worker", "appservice")], more_files={"bridges2.yaml": "worker_app: synapse.app.appservice\nworker_name: bridges2\n"}),
    Fault("an application that does not exist", "unknown-app", [sender("generic_worker", "sender")]),
    Fault("no worker_name", "no-worker-name", [sender("worker_name: sender1\n", "")]),
    Fault("two workers of one name", "worker-name-twice", [], more_files={"other.yaml": SENDER}),
    Fault("two listeners at one port", "port-twice", [writer("port: 8083", "port: 8008")]),
    Fault("listener without a type", "bad-listener", [writer("port: 8083, type: http", "port: 8083")]),
    Fault("listener of an unknown type", "bad-listener", [writer("port: 8083, type: http", "port: 8083, type: https")]),
    Fault("listener for direct replication", "bad-listener", [homeserver("", "worker_listeners: [{port: 9092, type: replication}]\n")], since=(1, 67)),
    Fault("listener without a port", "bad-listener", [writer("port: 8083, ", "")]),
    Fault("listener with its port in quotes", "bad-listener", [writer("port: 8083", "port: '8083'")]),
    Fault("listener with port and path", "bad-listener", [writer("port: 8083", "port: 8083, path: /run/a.sock")], since=(1, 89)),
    Fault("resource that does not exist", "bad-listener", [writer("names: [client]", "names: [clients]")]),
    Fault("names that are no list", "bad-listener", [writer("names: [client]", "names: client")]),
    Fault("resource with another key", "bad-listener", [writer("names: [client]", "names: [client], tls: true")]),
    Fault("listeners of the main process without a port", "bad-listener", [homeserver("port: 8008, ", "")]),
    Fault("mode of a socket as 0o666", "socket-mode", [writer("port: 8083", "path: /run/a.sock, mode: 0o666")], since=(1, 89)),
    Fault("outbound_federation_restricted_to without a secret", "no-secret", [homeserver("worker_replication_secret: made-up\n", ""), homeserver("", "outbound_federation_restricted_to: [writer1]\n")], since=(1, 89)),
    Fault("outbound_federation_restricted_to without an entry", "restricted-not-mapped", [homeserver("", "outbound_federation_restricted_to: [sender1]\n")], since=(1, 89)),
    Fault("worker_replication_host", "removed-setting", [writer("", "worker_replication_host: 127.0.0.1\n")], since=(1, 88)),
    Fault("worker_replication_http_port", "removed-setting", [writer("", "worker_replication_http_port: 9093\n")], since=(1, 88)),
    Fault("worker_replication_port", "removed-setting", [writer("", "worker_replication_port: 9092\n")], since=(1, 67)),
    Fault("worker_main_http_uri that is no longer read", "deprecated-setting", [writer("", "worker_main_http_uri: http://127.0.0.1:8008\n")], since=(1, 73)),
    Fault("two secrets", "two-secrets", [homeserver("", "worker_replication_secret_path: /dev/null\n")], since=(1, 126)),
    Fault("no secret", "no-replication-secret", [homeserver("worker_replication_secret: made-up\n", "")]),
    Fault("two media workers, none named", "media-jobs", [homeserver("", "enable_media_repo: false\n")], more_files={name: f"worker_app: synapse.app.media_repository\nworker_name: {name[:6]}\nworker_listeners: [{{port: {port}, type: http, resources: [{{names: [media]}}]}}]\n" for name, port in (("media1.yaml", 8091), ("media2.yaml", 8092))}),
    Fault("media worker without the repository", "media-disabled", [homeserver("", "enable_media_repo: false\n"), writer("names: [client]", "names: [client, media]")]),
    Fault("a key that is there twice", "doubled-key", [homeserver("", "max_upload_size: 50M\nmax_upload_size: 100M\n")]),
]


def sound(release):
    """The sound configuration of a release."""
    files = dict(SOUND)
    if release < (1, 84):
        files["homeserver.yaml"] = files["homeserver.yaml"].replace(MAIN_ENTRY, "")
        for name in ("writer1.yaml", "sender1.yaml"):
            files[name] += OLD_MAIN
    if release < (1, 73):
        files["writer1.yaml"] += "worker_main_http_uri: http://127.0.0.1:8008\n"
    return files


def planted(fault, release):
    """The files with a fault."""
    files = sound(release)
    for name, old, new in fault.changes:
        if old and old not in files[name]:
            raise ValueError(f"{fault.name}: {name} does not have {old!r}")
        files[name] = files[name].replace(old, new) if old else files[name] + new
    return {**files, **fault.more_files}
