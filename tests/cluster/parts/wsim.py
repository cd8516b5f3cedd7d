"""Finds and calls wsim, the program under test."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from .problem import Problem

ROOT = Path(__file__).resolve().parents[3]


def find(named=None):
    """The path of wsim: the named one, $WSIM, the newest build of this clone, or the one on the PATH."""
    for name in (named, os.environ.get("WSIM")):
        if name:
            if not shutil.which(name):
                raise Problem(f"{name} is not a program")
            return str(Path(shutil.which(name)).absolute())
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    built = sorted((file for file in target.glob("*/wsim") if file.is_file() and os.access(file, os.X_OK)), key=lambda file: file.stat().st_mtime)
    if built:
        return str(built[-1])
    if found := shutil.which("wsim"):
        return found
    raise Problem(f"no wsim: build it (cargo build), or name it with $WSIM; looked in {target} and on the PATH")


def call(program, *words, text_in=None, accept=(0,), seconds=600):
    """Runs the program and returns its standard output. A status that is not in `accept` is a Problem with the end of the output."""
    command = [program, *(str(word) for word in words)]
    try:
        done = subprocess.run(command, input=text_in, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise Problem(f"{' '.join(command[:2])} took more than {seconds} s") from None
    if done.returncode not in accept:
        raise Problem(f"{' '.join(command)} ended with status {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


def route(program, plan, pool, keys):
    """key -> server that `wsim route` prints for the pool of a plan file. Keys must not contain control characters."""
    keys = sorted(set(keys))
    if not keys:
        return {}
    out = call(program, "route", "--plan", plan, "--pool", pool, "--json", text_in="".join(key + "\n" for key in keys))
    servers = [json.loads(line)["server"] for line in out.splitlines()]
    if len(servers) != len(keys):
        raise Problem(f"wsim route printed {len(servers)} lines for {len(keys)} keys")
    return dict(zip(keys, servers))


def classify(program, release, requests):
    """(method, path) -> the endpoint that `wsim endpoints` prints."""
    requests = sorted(set(requests))
    if not requests:
        return {}
    words = ["endpoints", "-", "--synapse-version", release]
    out = call(program, *words, text_in="".join(f"{method} {path}\n" for method, path in requests))
    found = [json.loads(line) for line in out.splitlines()]
    if len(found) != len(requests):
        raise Problem(f"wsim endpoints printed {len(found)} lines for {len(requests)} requests")
    return dict(zip(requests, found))
