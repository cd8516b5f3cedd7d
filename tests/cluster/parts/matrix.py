"""As much of the Matrix client API as checks need, over one kept connection a client. Not a load generator."""

import hashlib
import hmac
import http.client
import json
import secrets
import urllib.parse
from pathlib import Path


class MatrixError(Exception):
    """An answer that is no success."""

    def __init__(self, status, body, request):
        super().__init__(f"{request}: {status} {body}")
        self.status = status


class Client:
    """One client with one connection. `upstream` is the X-Upstream header of the last answer."""

    def __init__(self, url, token=None):
        parts = urllib.parse.urlsplit(url)
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        self.url = url
        self.token = token
        self.user = None
        self.upstream = None

    def call(self, method, path, body=None, **query):
        """Sends a request and returns the answer's JSON."""
        query = {key: value for key, value in query.items() if value is not None}
        target = path + ("?" + urllib.parse.urlencode(query) if query else "")
        headers = {"User-Agent": "wsim-cluster-check"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        try:
            self.connection.request(method, target, body=data, headers=headers)
            answer = self.connection.getresponse()
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            # The server may close a kept connection at any time; nginx does after 1000 requests.
            self.connection.close()
            self.connection.request(method, target, body=data, headers=headers)
            answer = self.connection.getresponse()
        content = answer.read()
        self.upstream = answer.getheader("X-Upstream")
        try:
            parsed = json.loads(content)
        except ValueError:
            parsed = {"text": content[:200].decode(errors="replace")}
        if not 200 <= answer.status < 300:
            raise MatrixError(answer.status, parsed, f"{method} {path}")
        return parsed

    def register(self, secret_file, localpart, admin=False):
        """Makes an account by the shared secret and takes its token."""
        secret = Path(secret_file).read_text().strip()
        nonce = self.call("GET", "/_synapse/admin/v1/register")["nonce"]
        password = secrets.token_hex(8)
        words = [nonce, localpart, password, "admin" if admin else "notadmin"]
        mac = hmac.new(secret.encode(), "\0".join(words).encode(), hashlib.sha1).hexdigest()
        body = {"nonce": nonce, "username": localpart, "password": password, "admin": admin, "mac": mac}
        made = self.call("POST", "/_synapse/admin/v1/register", body)
        self.token, self.user = made["access_token"], made["user_id"]
        return self


def quote(part):
    """An id as one segment of a path."""
    return urllib.parse.quote(part, safe="")
