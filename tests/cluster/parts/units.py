"""A `systemctl` for tests/cluster/migrate: starts what the ExecStart of a written unit says, and stops it by its pid.

    python units.py SETTINGS.json start|stop|restart|reload|enable|disable|daemon-reload [--now] UNIT…

Knows the units matrix-synapse, matrix-synapse-worker@NAME and nginx. The interpreter and the place of homeserver.yaml are those of the test.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path


def main():
    settings = json.loads(Path(sys.argv[1]).read_text())
    verb, *words = sys.argv[2:]
    units = [word.removesuffix(".service") for word in words if not word.startswith("-")]
    now = "--now" in words
    # The main process starts first and stops last, as the units' After= has it.
    for unit in sorted(units, key=lambda unit: "@" in unit, reverse=verb in ("stop", "disable")):
        if verb in ("stop", "restart") or verb == "disable" and now:
            stop(settings, unit)
        if verb in ("start", "restart") or verb == "enable" and now:
            start(settings, unit)
        if verb == "reload":
            os.kill(pid_of(settings, unit), signal.SIGHUP)


def pid_file(settings, unit):
    return Path(settings["folder"]) / "run" / f"{unit}.pid"


def pid_of(settings, unit):
    try:
        return int(pid_file(settings, unit).read_text())
    except FileNotFoundError:
        return None


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def stop(settings, unit):
    pid = pid_of(settings, unit)
    if pid is None:
        return
    if alive(pid):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 30
    while alive(pid):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    pid_file(settings, unit).unlink()


def start(settings, unit):
    pid = pid_of(settings, unit)
    if pid is not None and alive(pid):
        return
    template, _, name = unit.partition("@")
    folder = Path(settings["folder"]) / "units"
    text = (folder / f"{template}{'@' if name else ''}.service").read_text()
    words = re.search(r"^ExecStart=((?:.*\\\n)*.*)$", text, re.M)[1].replace("\\\n", " ").replace("%i", name).split()
    command = [settings["python"], *words[1:]]
    command = [word.replace("/etc/matrix-synapse/homeserver.yaml", settings["homeserver"]) for word in command if "conf.d" not in word]
    command = [word for word in command if not word.startswith("--config-path=") or Path(word.removeprefix("--config-path=")).exists()]
    # Log settings of the test instead of those below /var/log.
    own = Path(settings["folder"]) / "run" / f"log-{unit}.yaml"
    log = {"version": 1, "handlers": {"file": {"class": "logging.FileHandler", "filename": f"{settings['logs']}/{unit}.log"}}, "root": {"level": "INFO", "handlers": ["file"]}, "disable_existing_loggers": False}
    own.write_text(json.dumps(log))
    last = own.with_name(f"last-{unit}.yaml")
    last.write_text(json.dumps({"worker_log_config" if name else "log_config": str(own)}))
    with open(f"{settings['logs']}/{unit}.out", "ab") as out:
        child = subprocess.Popen([*command, f"--config-path={last}"], stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, cwd=settings["folder"])
    pid_file(settings, unit).write_text(str(child.pid))
    time.sleep(0.2)
    if not alive(child.pid):
        sys.exit(f"{unit} ended at once; see {settings['logs']}/{unit}.out")


if __name__ == "__main__":
    main()
