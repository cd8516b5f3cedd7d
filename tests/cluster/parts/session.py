"""A cluster for the length of a `with` block: it is started before and stopped after the block, also after an exception."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

from .problem import Problem

HERE = Path(__file__).resolve().parents[1]


@contextlib.contextmanager
def cluster(plan, base_port, *words, folder=None, keep=False):
    """Starts a cluster and yields its state. If this process is killed, a watchdog stops the cluster."""
    where = ["--base-port", str(base_port), *(["--dir", str(folder)] if folder else [])]
    state = json.loads(command("up", "--plan", plan, "--owner", os.getpid(), *where, *words))
    try:
        yield state
    finally:
        command("down", "--dir", state["dir"], *(["--keep"] if keep else []))


def command(name, *words):
    """Runs a command of tests/cluster and returns its standard output; its messages go to the terminal."""
    # A group of its own: Ctrl-C reaches this process, which then takes the cluster down in order.
    done = subprocess.run([sys.executable, HERE / name, *(str(word) for word in words)], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Problem(f"tests/cluster/{name} failed")
    return done.stdout
