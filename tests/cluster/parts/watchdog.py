"""A process that stops a cluster when the owner of the cluster ends for whatever reason: SIGKILL runs no `finally`."""

import sys
from pathlib import Path

from . import program
from .problem import Problem

_CODE = """
import os, sys, time
down, folder, owner, began = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
def owner_runs():
    try:
        return open(f"/proc/{owner}/stat").read().rpartition(")")[2].split()[19] == began
    except OSError:
        return False
while owner_runs():
    time.sleep(0.5)
os.execv(sys.executable, [sys.executable, down, "--dir", folder])
"""


def start(folder, owner):
    """Starts the watchdog of a cluster. When the owner has ended, the watchdog process itself becomes `down`."""
    began = program.started(owner)
    if began is None:
        raise Problem(f"--owner {owner}: there is no such process")
    down = Path(__file__).resolve().parents[1] / "down"
    command = [sys.executable, "-S", "-c", _CODE, down, folder.path, owner, began]
    return program.start("watchdog", "watchdog", command, folder.logs / "watchdog.out")
