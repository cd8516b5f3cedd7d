"""PostgreSQL and Redis, each with its own port and data. The settings are for tests: data does not survive a power failure."""

import os
import pwd
import shutil
import subprocess
from pathlib import Path

from . import program
from .problem import Problem

DATABASE = "synapse"
USER = "synapse"


def postgres_folder():
    """The folder of the programs of the newest installed PostgreSQL."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda file: float(file.parent.parent.name))
    if not found:
        raise Problem("PostgreSQL is not installed; run tests/cluster/install")
    return found[-1].parent


class Postgres:
    """One PostgreSQL server."""

    def __init__(self, folder, port, connections):
        self.data = folder.data / "postgres"
        self.log = folder.logs / "postgres.out"
        self.port = port
        self.connections = connections
        self.programs = postgres_folder()
        # PostgreSQL does not run as root. Under root it runs as the user that Debian's package creates.
        self.prefix = []
        if os.geteuid() == 0:
            try:
                self.owner = pwd.getpwnam("postgres")
            except KeyError:
                raise Problem("PostgreSQL cannot run as root and there is no user postgres; run tests/cluster/install") from None
            self.prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]

    def start(self):
        """Starts the server, and creates its data if there is none. Does not wait until it is ready."""
        fresh = not self.data.exists()
        self.data.mkdir(exist_ok=True)
        if self.prefix:
            shutil.chown(self.data, "postgres", "postgres")
            if subprocess.run([*self.prefix, "test", "-w", self.data], cwd="/").returncode != 0:
                raise Problem(f"the user postgres has no access to {self.data}: choose a --dir whose parent folders every user may enter")
        if fresh:
            self._call("initdb", "--no-sync", "--encoding=UTF8", "--locale=C", f"--username={USER}", "--auth=trust", f"--pgdata={self.data}")
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": self.connections,
            "shared_buffers": "256MB",
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "log_min_messages": "warning",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = [*self.prefix, self.programs / "postgres", "-D", self.data, *options]
        return program.start("postgres", "database", command, self.log, port=self.port, cwd="/")

    def is_ready(self):
        """Whether the server accepts queries. It listens earlier, while it is still starting up."""
        command = [self.programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(command, cwd="/", capture_output=True).returncode == 0

    def create_database(self):
        """Creates the database with the encoding and collation that Synapse requires."""
        statement = f"create database {DATABASE} encoding 'UTF8' lc_collate 'C' lc_ctype 'C' template template0"
        self._call("psql", "-qX", "-h", "127.0.0.1", "-p", self.port, "-U", USER, "-d", "postgres", "-c", statement)

    def _call(self, name, *words):
        command = [*self.prefix, self.programs / name, *words]
        # The user postgres may have no access to the working folder.
        done = subprocess.run([str(word) for word in command], cwd="/", capture_output=True, text=True)
        if done.returncode != 0:
            raise Problem(f"{name} failed\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def start_redis(folder, port):
    """Starts Redis without persistence. Does not wait until it is ready."""
    found = shutil.which("redis-server")
    if not found:
        raise Problem("Redis is not installed; run tests/cluster/install")
    data = folder.data / "redis"
    data.mkdir()
    command = [found, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", data, "--daemonize", "no"]
    return program.start("redis", "database", command, folder.logs / "redis.out", port=port)
