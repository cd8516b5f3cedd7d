"""Starts nginx or HAProxy with the files that `wsim configure` wrote.

nginx needs a configuration around the written files, with the addresses to listen at and two logs. `nginx-rich.log` has the format with the most
fields for wsim (see samples/README.md). `nginx-keys.log` has, as JSON, every part of a request that a routing key can come from, including access
tokens, so that a check can compute the keys by itself. It is deleted with the cluster's folder.
"""

import os
import re
import shutil
import subprocess

from . import folder as places
from . import compose, program
from .problem import Problem

_RICH = (
    "'$remote_addr - $remote_user [$time_iso8601] \"$request\" $status $body_bytes_sent \"$http_referer\" \"$http_user_agent\" '\n"
    "    'rt=$request_time uct=$upstream_connect_time uht=$upstream_header_time urt=$upstream_response_time ua=$upstream_addr us=$upstream_status '\n"
    "    'user=$cluster_user grp=$proxy_host rl=$request_length conn=$connection/$connection_requests tls=$ssl_protocol rid=$request_id'"
)
_KEYS = (
    '\'{"time":"$msec","seconds":"$request_time","id":"$request_id","method":"$request_method","uri":"$request_uri","host":"$host",\'\n'
    '    \'"address":"$remote_addr","authorization":"$http_authorization","agent":"$http_user_agent","pool":"$proxy_host",\'\n'
    '    \'"upstream":"$upstream_addr","status":"$status","sent":"$body_bytes_sent"}\''
)


def find(kind):
    """The path of the proxy's program."""
    found = shutil.which(kind) or shutil.which(kind, path="/usr/sbin")
    if not found:
        raise Problem(f"{kind} is not installed; run tests/cluster/install")
    return found


def start(folder, plan, kind, base):
    """Completes the proxy's configuration, checks it, and starts the proxy. Does not wait until it is ready."""
    return {"nginx": _start_nginx, "haproxy": _start_haproxy}[kind](folder, plan, base)


def make_certificate(folder):
    """Creates a certificate authority for this cluster and a certificate for 127.0.0.1 and localhost. Returns the authority's file."""
    conf = folder.conf
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    _call(*new, "-subj", "/CN=wsim test authority", "-keyout", conf / "ca.key", "-out", conf / "ca.pem")
    _call(
        *new,
        *("-CA", conf / "ca.pem", "-CAkey", conf / "ca.key", "-subj", "/CN=localhost"),
        *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-addext", "basicConstraints=CA:FALSE"),
        *("-keyout", conf / "tls.key", "-out", conf / "tls.crt"),
    )
    (conf / "tls.pem").touch(mode=0o600)
    (conf / "tls.pem").write_text((conf / "tls.crt").read_text() + (conf / "tls.key").read_text())
    return conf / "ca.pem"


def _start_nginx(folder, plan, base):
    found = find("nginx")
    written = folder.configured / "proxy" / "nginx"
    temporary = folder.data / "nginx"
    temporary.mkdir()
    names = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporaries = "\n".join(f"  {name}_temp_path {temporary / name};" for name in names)
    server = f"""\
  server {{
    listen 127.0.0.1:{base + places.PROXY};
    listen 127.0.0.1:{base + places.PROXY_TLS} ssl http2;
    ssl_certificate {folder.conf}/tls.crt;
    ssl_certificate_key {folder.conf}/tls.key;
    client_max_body_size 50M;
    include {written}/wsim-locations.conf;
  }}"""
    in_container = (written / "site.conf").exists()
    site = compose.nginx_site(written, folder.logs, f"127.0.0.1:{base + places.PROXY}") if in_container else server
    # Sockets must admit a proxy that runs as another user than Synapse, as in containers.
    user = "nobody nogroup" if compose.sockets(folder.path).exists() else "root"
    conf = folder.conf / "nginx.conf"
    conf.write_text(f"""\
{f"user {user};" if os.geteuid() == 0 else ""}
worker_processes {plan.data.get("proxy", {}).get("processes", 1)};
daemon off;
pid {temporary}/pid;
error_log {folder.logs}/nginx-error.log warn;
events {{ worker_connections 4096; }}
http {{
{temporaries}
  # The localpart in a Synapse token, as base64, for the log only; independent of the maps in the written files.
  map $http_authorization $cluster_user {{ default ""; "~^Bearer syt_(?<cluster_localpart>[^_]*)_" $cluster_localpart; }}
  log_format rich {_RICH};
  log_format keys escape=json {_KEYS};
  access_log {folder.logs}/nginx-rich.log rich;
  access_log {folder.logs}/nginx-keys.log keys;
  include {written}/wsim-maps.conf;
{site}
}}
""")
    # The log contains tokens, so its mode is set before nginx writes the first line.
    (folder.logs / "nginx-keys.log").touch(mode=0o600)
    checked = subprocess.run([found, "-t", "-q", "-c", conf], capture_output=True, text=True)
    if checked.returncode != 0:
        raise Problem(f"nginx does not accept the configuration\n{checked.stderr[-3000:]}")
    return program.start("nginx", "proxy", [found, "-c", conf], folder.logs / "nginx.out", port=base + places.PROXY)


def _start_haproxy(folder, plan, base):
    found = find("haproxy")
    text = (folder.configured / "proxy" / "haproxy" / "haproxy.cfg").read_text()
    conf = folder.conf / "haproxy.cfg"
    conf.write_text(_adapted_haproxy(text, folder, base))
    checked = subprocess.run([found, "-c", "-q", "-f", conf], capture_output=True, text=True)
    if checked.returncode != 0:
        raise Problem(f"HAProxy does not accept the configuration\n{checked.stdout[-2000:]}{checked.stderr[-2000:]}")
    return program.start("haproxy", "proxy", [found, "-db", "-f", conf], folder.logs / "haproxy.out", port=base + places.PROXY, stdout=folder.logs / "haproxy.log")


def _adapted_haproxy(text, folder, base):
    """The written file with this cluster's addresses to listen at, and with the log on stdout."""
    binds = f"    bind 127.0.0.1:{base + places.PROXY}\n    bind 127.0.0.1:{base + places.PROXY_TLS} ssl crt {folder.conf}/tls.pem alpn h2,http/1.1\n"
    text, count = re.subn(r"^[ \t]*bind .*\n", binds, text, count=1, flags=re.M)
    if count == 0:
        raise Problem("the HAProxy configuration has no line `bind …` to replace")
    text = re.sub(r"^[ \t]*log[ \t]+(?!global\b).*\n", "", text, flags=re.M)
    return re.sub(r"^global\b.*\n", lambda match: match[0] + "    log stdout format raw local0\n", text, count=1, flags=re.M)


def _call(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise Problem(f"{command[0]} failed\n{done.stderr[-2000:]}")
