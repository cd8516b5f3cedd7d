"""A cluster with settings of its own, its logs and its counters."""

import contextlib
import json
import re
import shutil
import tempfile
import time
from pathlib import Path

from .. import folder as places
from .. import program as processes
from .. import session, synapse, wsim
from ..plan import moved

PLANS = Path(__file__).resolve().parents[2] / "plans"


@contextlib.contextmanager
def cluster(run, plan, settings="", base=0, words=(), extra=""):
    """Starts a cluster for a plan of tests/cluster/plans with `extra` lines, and with `settings` (YAML) for all processes. `base` is added to the base port."""
    port = run.base_port + base
    with tempfile.TemporaryDirectory(prefix="wsim-questions-") as scratch:
        scratch = Path(scratch)
        scratch.chmod(0o755)
        text = moved((PLANS / f"{plan}.toml").read_text() + extra, port)
        file, configured = scratch / "plan.toml", scratch / "configured"
        file.write_text(text)
        wsim.call(
            run.program,
            *("configure", file, "--proxy", "nginx", "--out", configured, "--base-port", port + places.ASSIGNED),
            *("--main", f"127.0.0.1:{port + places.MAIN}", "--main-replication", f"127.0.0.1:{port + places.MAIN_REPLICATION}"),
            *("--expose-upstream", "--synapse-version", re.search(r'synapse = "(.*)"', text)[1]),
        )
        shared = configured / "synapse" / "workers.yaml"
        shared.parent.mkdir(exist_ok=True)
        # A plan without settings for all has an empty mapping in the file.
        written = shared.read_text().replace("\n{}\n", "\n") if shared.exists() else ""
        shared.write_text(f"{written}\n{settings}\n")
        with session.cluster(file, port, "--wsim", run.program, "--configured", configured, *words) as state:
            yield state


class Counters:
    """CPU of the processes of a cluster over a block, and its samples as a file for --process-cpu."""

    def __init__(self, state, file=None, kinds=("synapse",)):
        self.state, self.file, self.kinds = state, file, kinds

    def __enter__(self):
        self.began, self.before = time.time(), self._read()
        return self

    def __exit__(self, *_):
        self.ended, after = time.time(), self._read()
        self.cpu = {name: after[name] - self.before.get(name, 0.0) for name in after}
        self.seconds = self.ended - self.began
        self.cores = sum(self.cpu.values()) / self.seconds
        if self.file:
            lines = ["epoch,process,cpu_seconds_total"]
            for at, counters in ((self.began, self.before), (self.ended, after)):
                lines += [f"{at:.3f},{name},{seconds:.2f}" for name, seconds in counters.items()]
            self.file.write_text("\n".join(lines) + "\n")

    def _read(self):
        running = [process for process in self.state["processes"] if process["kind"] in self.kinds and processes.alive(process)]
        return {process["name"]: sum(processes.cpu_seconds(process["pid"]) or (0.0,)) for process in running}


def logs(state, counters, out):
    """The logs of a cluster over the time of some counters, in a folder."""
    shutil.rmtree(out, ignore_errors=True)
    # Synapse writes its lines up to a second late.
    time.sleep(2)
    session.command("logs", "--dir", state["dir"], "--out", out, "--from", f"{counters.began:.3f}", "--to", f"{counters.ended:.3f}")
    return out


def stop(state, name):
    """Stops a process of Synapse as systemd does, and waits until it has ended."""
    processes.stop([process for process in state["processes"] if process["name"] == name])


def start(state, name):
    """Starts a stopped worker again, and writes it into the state so that `down` finds it. Does not wait until it is ready."""
    folder = places.Folder(state["dir"])
    interpreter = synapse.python()
    worker = next(worker for worker in synapse.workers(folder, interpreter) if worker[0] == name)
    process = synapse.start_worker(folder, interpreter, worker)
    found = json.loads(folder.state_file.read_text())
    found["processes"] = [other for other in found["processes"] if other["name"] != name] + [process]
    folder.write_state(found)
    state["processes"] = found["processes"]
    return process
