"""A compose file that wsim wrote, on this machine without containers: the same commands, files and environment, with the names of services and the
paths inside containers replaced by what stands for them here."""

import json
import re
import shutil
import subprocess

from . import folder as places
from . import wsim
from .problem import Problem

FILE = "compose.yaml"
# The folder of unix sockets inside the containers.
SOCKETS = "/run/matrix-synapse"


def configure(args, plan, kind, target, release):
    """Calls `wsim configure --for compose` and writes the files for this machine to `target`."""
    base, written = args.base_port, target.with_name("written")
    addresses = ["--main", f"synapse:{base + places.MAIN}", "--main-replication", f"synapse:{base + places.MAIN_REPLICATION}"]
    if args.sockets:
        addresses = ["--sockets", SOCKETS, "--main", f"unix:{SOCKETS}/main.sock"]
        plan.write_text(with_sockets(plan.read_text()))
    wsim.call(
        wsim.find(args.wsim),
        *("configure", plan, "--for", "compose", "--proxy", kind, "--out", written, "--base-port", base + places.ASSIGNED),
        *(*addresses, "--expose-upstream", "--synapse-version", release),
    )
    shutil.copytree(written, target)
    names = "|".join(map(re.escape, sorted(service_names(target / FILE), key=len, reverse=True)))
    for file in [path for path in target.rglob("*") if path.is_file() and path.name != FILE]:
        file.write_text(_here(file.read_text(), names, base).replace(f"{SOCKETS}/", f"{sockets(target.parent)}/"))


def with_sockets(text):
    """The plan with every second server of a pool at a socket, so that one cluster has both."""

    def half(match):
        servers = re.findall(r'"([^"]+)"', match[1])
        named = [server if number % 2 == 0 else f"unix:{SOCKETS}/{server.rpartition(':')[2]}.sock" for number, server in enumerate(servers)]
        return f"servers = {named}".replace("'", '"')

    return re.sub(r"^servers = \[(.*)\]$", half, text, flags=re.M)


def sockets(folder):
    """The folder of this machine that stands for the volume with the sockets."""
    return folder / "run"


def _here(text, names, base):
    """The text with services as addresses of this machine: their ports differ, so that one address is enough."""
    text = text.replace("host: redis\n  port: 6379", f"host: '127.0.0.1'\n  port: {base + places.REDIS}")
    text = re.sub(rf"(?<![\w.-])(?:{names}):(\d+)", r"127.0.0.1:\1", text)
    text = re.sub(rf"(host: )(?:{names})$", r"\1'127.0.0.1'", text, flags=re.M)
    text = text.replace("bind_addresses: ['0.0.0.0']", "bind_addresses: ['127.0.0.1']")
    # Debian's nginx is older than the lookup of names in upstreams, and there are none left.
    return re.sub(r"^resolver .*\n", "", text, flags=re.M).replace(" resolve; #", "; #")


def service_names(file):
    """The names of the services: keys at the second level, below `services:`."""
    found = re.search(r"^services:\n((?:[ #].*\n|\n)+)", file.read_text(), flags=re.M)
    return re.findall(r"^  ([\w.-]+):$", found[1], flags=re.M)


def command(folder, interpreter, name):
    """The application and the files of a process, in the order of its service's command; None without a compose file."""
    file = folder.configured / FILE
    if not file.exists():
        return None
    code = "import json, sys, yaml; json.dump(yaml.safe_load(open(sys.argv[1]))['services'], sys.stdout)"
    done = subprocess.run([interpreter, "-c", code, file], capture_output=True, text=True)
    if done.returncode != 0:
        raise Problem(f"{file} cannot be read\n{done.stderr[-2000:]}")
    services = json.loads(done.stdout)
    wanted = None if name == "main" else f"/wsim/synapse/workers/{name}.yaml"
    for service in services.values():
        application = service.get("environment", {}).get("SYNAPSE_WORKER")
        if application is None:
            continue
        if service["command"][0] != "run":
            raise Problem(f"the command {service['command']} is not one that the image's start.py knows")
        files = [word.removeprefix("--config-path=") for word in service["command"][1:]]
        is_main = application == "synapse.app.homeserver"
        if files[-1] == wanted or (wanted is None and is_main):
            return application, [_at_home(folder, path) for path in files]
    raise Problem(f"no service of {file} runs {name}")


def _at_home(folder, path):
    """The file that stands for a path inside the containers."""
    if path == "/data/homeserver.yaml":
        return folder.conf / "homeserver.yaml"
    return folder.configured / path.removeprefix("/wsim/")


def nginx_site(written, logs, address):
    """The written site, at an address of this machine."""
    text = (written / "site.conf").read_text()
    text, count = re.subn(r"listen 8008 default_server;", f"listen {address};", text)
    if count != 1:
        raise Problem("site.conf has no line `listen 8008 default_server;`")
    text = text.replace("/etc/nginx/snippets/", f"{written}/").replace("access_log /dev/stdout wsim;", f"access_log {logs}/nginx.log wsim;")
    # Clients of a test come from loopback, as what ends TLS would come from a private address.
    return text.replace("set_real_ip_from 10.0.0.0/8;", "set_real_ip_from 127.0.0.0/8;")
