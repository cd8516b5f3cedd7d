"""A process that takes a cluster down when another process ends, however that one ended: SIGKILL runs no `finally`."""

import sys
from pathlib import Path

from . import program
from .problem import Problem

_CODE = """
import os, sys, time
down, folder, owner, began = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
def same():
    try:
        return open(f"/proc/{owner}/stat").read().rpartition(")")[2].split()[19] == began
    except OSError:
        return False
while same():
    time.sleep(0.5)
os.execv(sys.executable, [sys.executable, down, "--dir", folder])
"""


def start(folder, owner):
    """Starts it. It is stopped last, and may itself be what runs `down`."""
    began = program.started(owner)
    if began is None:
        raise Problem(f"--owner {owner}: there is no such process")
    down = Path(__file__).resolve().parents[1] / "down"
    command = [sys.executable, "-S", "-c", _CODE, down, folder.path, owner, began]
    return program.start("keeper", "keeper", command, folder.logs / "keeper.out")
