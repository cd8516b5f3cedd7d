"""Reads nginx-keys.log, and works out by itself what nginx should have hashed.

The key is derived here from the raw request (the Authorization header, the request line, the address), not taken from nginx's variables, so
that a wrong `map` in the written configuration shows.
"""

import json
import re
import urllib.parse

_ROOM = re.compile(r"/(?:rooms|join)/([^/?]+)")
_TOKEN = re.compile(r"syt_([^_]*)_")


class Line:
    """One request as nginx saw it."""

    def __init__(self, fields):
        self.end = float(fields["time"])
        self.seconds = float(fields["seconds"] or 0)
        self.method, self.uri, self.agent = fields["method"], fields["uri"], fields["agent"]
        self.path, _, self.query = self.uri.partition("?")
        self.address, self.authorization = fields["address"], fields["authorization"]
        self.pool = fields["pool"]
        self.status = int(fields["status"] or 0)
        # After a failed try nginx lists several servers; the first is the one that its rule chose.
        self.upstreams = [part for part in re.split(r"[,:] +", fields["upstream"]) if part and part != "-"]

    @property
    def upstream(self):
        """The server that the balancing rule chose, or None where nginx answered itself."""
        return self.upstreams[0] if self.upstreams else None

    @property
    def parameters(self):
        """The query as name -> value."""
        return dict(urllib.parse.parse_qsl(self.query, keep_blank_values=True))

    def user(self):
        """The localpart in the token as base64, as Synapse's documentation keys syncs; what else stands in the header; the URL's token."""
        if found := re.match(r"Bearer syt_(.*?)_", self.authorization):
            return found[1]
        if self.authorization:
            return self.authorization
        token = self.parameters.get("access_token", "")
        found = _TOKEN.search(token)
        return found[1] if found else token

    def room(self):
        """The room as it stands in the request line, escapes and all; None where there is none."""
        found = _ROOM.search(self.uri)
        return found[1] if found else None

    def key(self, kind):
        """The key of a pool, by the plan's word for it; None where this derivation does not know it."""
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
    """The lines that ended after `begin` (seconds since 1970)."""
    with open(file, encoding="utf8", errors="surrogateescape") as lines:
        for text in lines:
            line = Line(json.loads(text, strict=False))
            if line.end >= begin:
                yield line
