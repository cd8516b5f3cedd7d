"""Synapse's processes, and the part of its configuration that depends on this machine.

`wsim configure` writes the workers, their endpoints and the stream writers. This module adds the database, Redis, the secrets, rate limits that a
load test does not reach, and a log file for each process. Configuration files are written as JSON, which is also YAML.
"""

import base64
import json
import os
import re
import secrets
import subprocess
from pathlib import Path

from . import folder as places
from . import compose, program, services, wsim
from .problem import Problem

VERSION = os.environ.get("WSIM_SYNAPSE_VERSION", "1.163.2")
# Database connections of each process: the default of Twisted, and so of Synapse. The pool limits throughput under load, so it is not made larger.
POOL = 5
_SECRETS = ("registration", "macaroon", "form", "replication")
_FREE = {"per_second": 100_000, "burst_count": 100_000}


def python():
    """The Python interpreter of the environment that `install` creates."""
    cache = Path(os.environ.get("WSIM_CACHE") or wsim.ROOT / "target" / "python")
    environment = cache / f"synapse-{VERSION}"
    if not (environment / "complete").exists():
        raise Problem(f"Synapse {VERSION} is not installed in {environment}; run tests/cluster/install")
    return environment / "bin" / "python"


def write_configuration(folder, base, server_name):
    """Writes homeserver.yaml, keys and secrets, which are new unless the cluster was restored. Returns the file of the registration secret."""
    own = folder.conf / "secrets.json"
    if not own.exists():
        _write(own, {**{name: secrets.token_hex(16) for name in _SECRETS}, "signing": _unpadded(secrets.token_bytes(32)), "server_name": server_name})
    own = json.loads(own.read_text())
    secret_file = folder.conf / "registration-secret"
    _write_private(secret_file, own["registration"] + "\n")
    key_file = folder.conf / "signing.key"
    _write_private(key_file, f"ed25519 a_wsim {own['signing']}\n")
    listener = {"type": "http", "bind_addresses": ["127.0.0.1"]}
    settings = {
        "server_name": own["server_name"],
        "public_baseurl": f"http://127.0.0.1:{base + places.PROXY}/",
        "report_stats": False,
        "suppress_key_server_warning": True,
        "trusted_key_servers": [],
        "registration_shared_secret": own["registration"],
        "macaroon_secret_key": own["macaroon"],
        "form_secret": own["form"],
        "signing_key_path": str(key_file),
        # With the default, bcrypt would take most of the time of a login.
        "bcrypt_rounds": 4,
        "url_preview_enabled": False,
        "media_store_path": str(folder.data / "media"),
        "max_upload_size": "50M",
        "user_directory": {"enabled": True, "search_all_users": True},
        "database": {
            "name": "psycopg2",
            "args": {
                "user": services.USER,
                "dbname": services.DATABASE,
                "host": "127.0.0.1",
                "port": base + places.POSTGRES,
                "cp_min": 2,
                "cp_max": POOL,
            },
        },
        "redis": {"enabled": True, "host": "127.0.0.1", "port": base + places.REDIS},
        "worker_replication_secret": own["replication"],
        "instance_map": {"main": {"host": "127.0.0.1", "port": base + places.MAIN_REPLICATION}},
        "listeners": [
            {
                **listener,
                "port": base + places.MAIN,
                "x_forwarded": True,
                "request_id_header": "X-Request-ID",
                "resources": [{"names": ["client", "federation"]}],
            },
            {**listener, "port": base + places.MAIN_REPLICATION, "resources": [{"names": ["replication"]}]},
        ],
        **_limits(),
    }
    _write(folder.conf / "homeserver.yaml", settings)
    return secret_file


def start_main(folder, interpreter, port, metrics=None):
    """Starts the main process. Does not wait until it is ready. `metrics` is the port of its Prometheus counters, or None."""
    return _start(folder, interpreter, "main", "synapse.app.homeserver", _files(folder), port, metrics)


def address(port):
    """A port or socket as proxies name it."""
    return f"127.0.0.1:{port}" if isinstance(port, int) else f"unix:{port}"


def workers(folder, interpreter):
    """The workers that `wsim configure` wrote: (name, file, port for clients or None, any port or None). A port may be the path of a socket."""
    files = sorted(
        (folder.configured / "synapse" / "workers").glob("*.yaml"), key=lambda file: [int(x) if x.isdigit() else x for x in re.split(r"(\d+)", file.stem)]
    )
    found = []
    for file, settings in zip(files, _read(interpreter, files)):
        clients, anything = None, None
        for listener in settings.get("worker_listeners", []):
            names = {name for resource in listener.get("resources", []) for name in resource.get("names", [])}
            port = listener.get("port") or listener.get("path")
            anything = anything or port
            # A listener that serves only replication has no /health.
            if names - {"replication"}:
                clients = clients or port
        found.append((settings.get("worker_name", file.stem), file, clients, anything))
    return found


def start_worker(folder, interpreter, worker, metrics=None, cores=None):
    """Starts a worker, on the `cores` only if there are any. Does not wait until it is ready."""
    name, file, clients, anything = worker
    process = _start(folder, interpreter, name, "synapse.app.generic_worker", [*_files(folder), file], clients or anything, metrics, cores)
    process["health"] = clients is not None
    return process


def ready(process):
    """Whether the process is ready to serve."""
    if process["port"] is None:
        return True
    return program.healthy(process) if process.get("health", True) else program.listens(process)


def _start(folder, interpreter, name, module, files, port, metrics, cores=None):
    log = folder.conf / f"log-{name}.yaml"
    _write(log, _logging(folder.logs / f"synapse-{name}.log"))
    last = folder.conf / f"last-{name}.yaml"
    own = {"log_config" if name == "main" else "worker_log_config": str(log)}
    if metrics is not None:
        # A later file replaces the whole list.
        key = "listeners" if name == "main" else "worker_listeners"
        existing = next((found[key] for found in reversed(_read(interpreter, files)) if key in found), [])
        own |= {"enable_metrics": True, key: [*existing, {"type": "metrics", "bind_addresses": ["127.0.0.1"], "port": metrics}]}
    _write(last, own)
    # A compose file says itself what each process runs, and with which files.
    module, files = compose.command(folder, interpreter, name) or (module, files)
    command = [*(["taskset", "-c", cores] if cores else []), interpreter, "-m", module]
    for file in [*files, last]:
        command += ["-c", file]
    process = program.start(name, "synapse", command, folder.logs / f"synapse-{name}.out", port=port, cwd=folder.path)
    return process | ({"metrics": metrics} if metrics is not None else {})


def _files(folder):
    shared = folder.configured / "synapse" / "workers.yaml"
    return [folder.conf / "homeserver.yaml", *([shared] if shared.exists() else [])]


def _read(interpreter, files):
    """Reads YAML files with the parser of Synapse's environment, because the standard library has none."""
    code = "import json, sys, yaml; json.dump([yaml.safe_load(open(file)) or {} for file in sys.argv[1:]], sys.stdout)"
    done = subprocess.run([interpreter, "-c", code, *files], capture_output=True, text=True)
    if done.returncode != 0:
        raise Problem(f"a worker's file cannot be read\n{done.stderr[-2000:]}")
    return json.loads(done.stdout)


def _logging(file):
    """Synapse's default log settings, except that lines are buffered for 1 s instead of 5 s."""
    return {
        "version": 1,
        "formatters": {"precise": {"format": "%(asctime)s - %(name)s - %(lineno)d - %(levelname)s - %(request)s - %(message)s"}},
        "handlers": {
            "file": {"class": "logging.FileHandler", "formatter": "precise", "filename": str(file), "encoding": "utf8"},
            "buffer": {
                "class": "synapse.logging.handlers.PeriodicallyFlushingMemoryHandler",
                "target": "file",
                "capacity": 10,
                "flushLevel": 30,
                "period": 1,
            },
        },
        "loggers": {"synapse.storage.SQL": {"level": "INFO"}},
        "root": {"level": "INFO", "handlers": ["buffer"]},
        "disable_existing_loggers": False,
    }


def _limits():
    """Rate limits far above the capacity of one machine."""
    plain = [
        "rc_message",
        "rc_registration",
        "rc_registration_token_validity",
        "rc_admin_redaction",
        "rc_joins_per_room",
        "rc_3pid_validation",
        "rc_third_party_invite",
        "rc_media_create",
        "rc_room_creation",
        "rc_user_directory",
        "rc_key_requests",
        "rc_reports",
        "rc_delayed_event_mgmt",
    ]
    return {
        **{name: _FREE for name in plain},
        "rc_login": {"address": _FREE, "account": _FREE, "failed_attempts": _FREE},
        "rc_joins": {"local": _FREE, "remote": _FREE},
        "rc_invites": {"per_room": _FREE, "per_user": _FREE, "per_issuer": _FREE},
        "rc_presence": {"per_user": _FREE},
        "rc_federation": {"window_size": 1000, "sleep_limit": 100_000, "sleep_delay": 1, "reject_limit": 100_000, "concurrent": 100},
        "remote_media_download_per_second": "100M",
    }


def _write(file, settings):
    _write_private(file, json.dumps(settings, indent=1) + "\n")


def _write_private(file, text):
    """Writes a file that only its owner can read, because most of these files contain secrets."""
    file.touch(mode=0o600)
    file.write_text(text)


def _unpadded(data):
    return base64.b64encode(data).decode().rstrip("=")
