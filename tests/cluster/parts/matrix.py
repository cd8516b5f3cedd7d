"""The part of the Matrix client API that the checks need, over one persistent connection for each client. Not a load generator."""

import hashlib
import hmac
import http.client
import json
import secrets
import urllib.parse
from pathlib import Path


class MatrixError(Exception):
    """A response with a status other than 2xx."""

    def __init__(self, status, body, request):
        super().__init__(f"{request}: {status} {body}")
        self.status = status


class Client:
    """One client with one connection. `upstream` is the X-Upstream header of the last response."""

    def __init__(self, url, token=None):
        parts = urllib.parse.urlsplit(url)
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        self.url = url
        self.token = token
        self.user = None
        self.upstream = None

    def call(self, method, path, body=None, **query):
        """Sends a request and returns the JSON of the response."""
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
            response = self.connection.getresponse()
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            # A server may close a persistent connection at any time; nginx does so after 1000 requests.
            self.connection.close()
            self.connection.request(method, target, body=data, headers=headers)
            response = self.connection.getresponse()
        content = response.read()
        self.upstream = response.getheader("X-Upstream")
        try:
            parsed = json.loads(content)
        except ValueError:
            parsed = {"text": content[:200].decode(errors="replace")}
        if not 200 <= response.status < 300:
            raise MatrixError(response.status, parsed, f"{method} {path}")
        return parsed

    def register(self, secret_file, localpart, admin=False):
        """Registers an account with the shared secret and uses its token from then on."""
        secret = Path(secret_file).read_text().strip()
        nonce = self.call("GET", "/_synapse/admin/v1/register")["nonce"]
        password = secrets.token_hex(8)
        words = [nonce, localpart, password, "admin" if admin else "notadmin"]
        mac = hmac.new(secret.encode(), "\0".join(words).encode(), hashlib.sha1).hexdigest()
        body = {"nonce": nonce, "username": localpart, "password": password, "admin": admin, "mac": mac}
        registered = self.call("POST", "/_synapse/admin/v1/register", body)
        self.token, self.user = registered["access_token"], registered["user_id"]
        return self


def quote(part):
    """An id, escaped as one segment of a path."""
    return urllib.parse.quote(part, safe="")
