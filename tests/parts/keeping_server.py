"""A server that counts its connections: ``python keeping_server.py`` prints its address.

It answers at once, and ends a connection without a word after `ANSWERS` answers. ``/opened`` tells by path how many
connections began with a request for it.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

ANSWERS = 15


class Keeping(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    opened: ClassVar[Counter[str]] = Counter()
    answered = 0

    def do_GET(self) -> None:
        body = json.dumps(self.opened).encode()
        if not self.answered:
            self.opened[self.path] += 1
        self.answered += 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = self.answered == ANSWERS

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", 0), Keeping) as server:
        sys.stdout.write(f"http://127.0.0.1:{server.server_address[1]}\n")
        sys.stdout.flush()
        server.serve_forever()
