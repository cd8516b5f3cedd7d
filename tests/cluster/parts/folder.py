"""The paths and ports of one cluster, and the state file that `up` writes and every other command reads.

    DIR/cluster.json   the running processes: rewritten after every start, so that `down` finds them after an interrupted `up`
    DIR/plan.toml      the plan with the ports of this cluster
    DIR/configured/    the files of `wsim configure`
    DIR/conf/          files for this machine: homeserver.yaml, nginx.conf, keys, log settings
    DIR/data/          PostgreSQL, Redis, media
    DIR/logs/          synapse-NAME.log, nginx-rich.log, and NAME.out for stdout and stderr of a process

Ports, from the base port on: 0 the proxy, 1 the proxy with TLS and HTTP/2, 2 main's clients, 3 main's replication, 4 PostgreSQL, 5 Redis,
10 to 89 workers with an address in the plan, from 100 on ports that `wsim configure` assigns (stream writers, replication), from 160 on Prometheus
counters (`up --metrics`).
"""

import json
import os
import shutil
import tempfile
from pathlib import Path

from .problem import Problem

BASE_PORT = 18000
SCHEMA = "wsim.cluster/1"
PROXY, PROXY_TLS, MAIN, MAIN_REPLICATION, POSTGRES, REDIS, ASSIGNED, METRICS = 0, 1, 2, 3, 4, 5, 100, 160


def add_arguments(parser):
    """Adds `--dir` and `--base-port`, which identify the cluster."""
    parser.add_argument("--dir", metavar="DIR", help="the cluster's folder (default: wsim-cluster-PORT in the temporary folder)")
    parser.add_argument("--base-port", type=int, default=BASE_PORT, metavar="PORT", help=f"first port of the cluster (default: {BASE_PORT})")


class Folder:
    """The folder of one cluster."""

    def __init__(self, path):
        self.path = Path(path).absolute()
        self.state_file = self.path / "cluster.json"
        self.plan = self.path / "plan.toml"
        self.configured = self.path / "configured"
        self.conf = self.path / "conf"
        self.data = self.path / "data"
        self.logs = self.path / "logs"

    @classmethod
    def named(cls, args):
        """The folder that the arguments identify."""
        return cls(args.dir or Path(tempfile.gettempdir()) / f"wsim-cluster-{args.base_port}")

    def create(self):
        """Creates the folder. A folder that is not empty is an error: it belongs to another cluster or to something else."""
        if self.state_file.exists():
            raise Problem(f"{self.path} already contains a cluster; stop it first: tests/cluster/down --dir {self.path}")
        if self.path.exists() and any(self.path.iterdir()):
            raise Problem(f"{self.path} is not empty; name another folder with --dir")
        for folder in (self.path, self.conf, self.data, self.logs):
            folder.mkdir(parents=True, exist_ok=True)
        # If this runs as root, PostgreSQL runs as another user and must have access to its data. The secrets in conf/ stay private.
        self.path.chmod(0o711)
        self.data.chmod(0o711)
        self.conf.chmod(0o700)

    def write_state(self, state):
        """Replaces the state file in one step."""
        partial = self.state_file.with_suffix(".partial")
        partial.write_text(json.dumps(state, indent=1) + "\n")
        os.replace(partial, self.state_file)

    def state(self):
        """The state of the cluster."""
        try:
            state = json.loads(self.state_file.read_text())
        except FileNotFoundError:
            raise Problem(f"there is no cluster in {self.path}; tests/cluster/up starts one") from None
        if state.get("schema") != SCHEMA:
            raise Problem(f"{self.state_file} is not a state file of this version")
        return state

    def remove(self):
        """Deletes the folder if it contains a cluster."""
        if self.state_file.exists():
            shutil.rmtree(self.path)
