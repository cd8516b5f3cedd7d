"""Reads nginx-keys.log and computes the key that nginx should have hashed for each request.

The key is derived from the raw request (the Authorization header, the request line, the address) and not from nginx's variables, so that a
wrong `map` in the written configuration is detected.
"""

import json
import re
import urllib.parse

_ROOM = re.compile(r"/(?:rooms|join)/([^/?]+)")
_TOKEN = re.compile(r"syt_([^_]*)_")


class Line:
    """One request as nginx logged it."""

    def __init__(self, fields):
        self.end = float(fields["time"])
        self.seconds = float(fields["seconds"] or 0)
        self.method, self.uri, self.agent = fields["method"], fields["uri"], fields["agent"]
        self.path, _, self.query = self.uri.partition("?")
        self.address, self.authorization = fields["address"], fields["authorization"]
        self.pool = fields["pool"]
        self.status = int(fields["status"] or 0)
        # After a failed attempt nginx lists several servers; the first is the one that the balancing rule chose.
        self.upstreams = [part for part in re.split(r"[,:] +", fields["upstream"]) if part and part != "-"]

    @property
    def upstream(self):
        """The server that the balancing rule chose, or None if nginx responded itself."""
        return self.upstreams[0] if self.upstreams else None

    @property
    def parameters(self):
        """The query as name -> value."""
        return dict(urllib.parse.parse_qsl(self.query, keep_blank_values=True))

    def user(self):
        """The key that Synapse's documentation uses for syncs: the localpart in the token as base64, else the header, else the token in the URL."""
        if found := re.match(r"Bearer syt_(.*?)_", self.authorization):
            return found[1]
        if self.authorization:
            return self.authorization
        token = self.parameters.get("access_token", "")
        found = _TOKEN.search(token)
        return found[1] if found else token

    def room(self):
        """The room id as it is in the request line, still escaped; None without one."""
        found = _ROOM.search(self.uri)
        return found[1] if found else None

    def key(self, kind):
        """The value of a plan's `key` for this request; None for kinds of keys that are not derived here."""
        match kind:
            case "user":
                return self.user()
            case "token":
                return self.authorization
            case "room":
                return self.room()
            case "address":
                return self.address
            case "uri":
                return self.uri
        return None


def read(file, begin=0.0):
    """The requests that ended after `begin` (seconds since 1970)."""
    with open(file, encoding="utf8", errors="surrogateescape") as lines:
        for text in lines:
            line = Line(json.loads(text, strict=False))
            if line.end >= begin:
                yield line
