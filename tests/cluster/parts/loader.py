"""Loads configuration files with Synapse's loader, in Synapse's environment: SHARED... for the main process, SHARED... and WORKER for each worker.
Prints the facts that `load` checks as JSON.

    python loader.py SHARED... -- WORKER...
"""

import json
import sys

from synapse.config.homeserver import HomeServerConfig


def load(files):
    """Loads the files of one process and returns its name, ports, streams and background roles."""
    words = [word for file in files for word in ("-c", file)]
    config = HomeServerConfig.load_config("loader", words)
    worker, writers = config.worker, config.worker.writers
    streams = [attribute.name for attribute in writers.__attrs_attrs__]
    name = worker.worker_name or "master"
    listeners = worker.worker_listeners if worker.worker_app else config.server.listeners
    # Before Synapse 1.59 these two background roles belong to worker apps of their own.
    app = (worker.worker_app or "").rpartition(".")[2]
    return {
        "name": name,
        "ports": [listener.port for listener in listeners if hasattr(listener, "port") and listener.type != "metrics"],
        "metrics": [listener.port for listener in listeners if listener.type == "metrics"],
        "sockets": [(listener.path, listener.mode) for listener in listeners if hasattr(listener, "path")],
        "streams": [stream for stream in streams if name in as_list(getattr(writers, stream))],
        "pusher": worker.start_pushers,
        "sender": worker.send_federation,
        "background": worker.run_background_tasks,
        "appservices": attribute_or(worker, "should_notify_appservices", app == "appservice"),
        "directory": attribute_or(worker, "should_update_user_directory", app == "user_dir"),
    }


def as_list(names):
    return [names] if isinstance(names, str) else names


def attribute_or(worker, name, default):
    try:
        return getattr(worker, name)
    except AttributeError:
        return default


def main():
    words = sys.argv[1:]
    split = words.index("--")
    shared, workers = words[:split], words[split + 1 :]
    found = [load(shared), *(load([*shared, worker]) for worker in workers)]
    json.dump({process["name"]: process for process in found}, sys.stdout)


if __name__ == "__main__":
    main()
