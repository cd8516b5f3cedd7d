"""The parts of wsim's plan files that a cluster needs: servers and their ports, pools of endpoint groups, stream writers, CPU limits.

The plans in tests/cluster/plans name ports from 18000 on; `moved` changes them to another base port. wsim checks plans; this module does not.
"""

import re
import tomllib

from .folder import BASE_PORT
from .problem import Problem

# Balancing rules with a key, as nginx and HAProxy write them.
_KEYED = re.compile(r"^(hash\b|ip_hash|balance (source|uri|hdr|url_param|rdp-cookie|hash)|source|uri|hdr|url_param)")


def moved(text, base_port):
    """The plan's text with the ports of 127.0.0.1 from BASE_PORT to BASE_PORT + 89 moved to another base port."""

    def move(match):
        port = int(match[1])
        inside = BASE_PORT <= port < BASE_PORT + 90
        return f"127.0.0.1:{port - BASE_PORT + base_port}" if inside else match[0]

    return re.sub(r"127\.0\.0\.1:(\d+)", move, text)


def with_cpu_limit(text, cores):
    """The plan with a CPU limit for the workers of every pool."""
    return text.replace("[[pool]]\n", f"[[pool]]\ncpu = {cores:g}\n")


def with_period(text, period):
    """The plan with the period of CPU limits, in ms, in a line after each limit."""
    return re.sub(r"^(cpu = .*)$", rf"\1\ncpu_period = {period:g}", text, flags=re.MULTILINE)


def without_period(text):
    """The plan without the lines of `with_period`, for a wsim that does not know them."""
    return re.sub(r"^cpu_period = .*\n", "", text, flags=re.MULTILINE)


class Plan:
    """A parsed plan."""

    def __init__(self, text, path):
        try:
            self.data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise Problem(f"{path} is not TOML: {error}") from None
        self.name = self.data.get("name", "")
        self.proxy = self.data.get("proxy", {}).get("kind", "nginx")
        self.pools = self.data.get("pool", [])
        self.writers = {stream: [names] if isinstance(names, str) else names for stream, names in self.data.get("stream_writers", {}).items()}

    def pool_of(self, group):
        """The first pool that names the group, or None. `initial_sync` belongs to the pool of `sync` if no pool names it."""
        for pool in self.pools:
            if group in pool["endpoints"]:
                return pool
        return self.pool_of("sync") if group == "initial_sync" else None

    def worker_names(self):
        """address -> the name of its process: the first pool that lists it, and its number there (`generic1`)."""
        names = {}
        for pool in self.pools:
            for number, server in enumerate(pool.get("servers", []), 1):
                names.setdefault(server.partition("=")[0], f"{pool['name']}{number}")
        return names

    def cpu_limits(self):
        """worker's name -> its CPU limit in cores, if the plan has one other than 1."""
        names = self.worker_names()
        limits = {}
        for pool in self.pools:
            if pool.get("cpu", 1.0) != 1.0:
                limits.update((names[server], pool["cpu"]) for server in servers(pool))
        return limits


def keyed(pool):
    """Whether the pool's balancing rule has a key."""
    return bool(_KEYED.match(pool.get("balance", "round robin")))


def servers(pool):
    """The pool's addresses without weights."""
    return [server.partition("=")[0] for server in pool.get("servers", [])]
