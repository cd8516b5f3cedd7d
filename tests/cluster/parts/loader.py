"""Runs in Synapse's environment: loads SHARED... and then SHARED... + one worker's file each, prints what was understood as JSON.

    python loader.py SHARED... -- WORKER...
"""

import json
import sys

from synapse.config.homeserver import HomeServerConfig


def load(files):
    words = [word for file in files for word in ("-c", file)]
    config = HomeServerConfig.load_config("loader", words)
    worker, writers = config.worker, config.worker.writers
    streams = [attribute.name for attribute in writers.__attrs_attrs__]
    name = worker.worker_name or "master"
    listeners = worker.worker_listeners if worker.worker_app else config.server.listeners
    # Before 1.59 these duties belong to a program of their own, and before 1.33 sending does.
    app = (worker.worker_app or "").rpartition(".")[2]
    return {
        "name": name,
        "ports": [listener.port for listener in listeners],
        "streams": [stream for stream in streams if name in as_list(getattr(writers, stream))],
        "pusher": worker.start_pushers,
        "sender": worker.send_federation,
        "background": worker.run_background_tasks,
        "appservices": duty(worker, "should_notify_appservices", app == "appservice"),
        "directory": duty(worker, "should_update_user_directory", app == "user_dir"),
    }


def as_list(names):
    return [names] if isinstance(names, str) else names


def duty(worker, name, otherwise):
    try:
        return getattr(worker, name)
    except AttributeError:
        return otherwise


def main():
    words = sys.argv[1:]
    split = words.index("--")
    shared, workers = words[:split], words[split + 1 :]
    found = [load(shared), *(load([*shared, worker]) for worker in workers)]
    json.dump({process["name"]: process for process in found}, sys.stdout)


if __name__ == "__main__":
    main()
