"""A real HTTP server that records the requests it receives, for notification tests."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Listener:
    """A running server. `messages` contains the received bodies, and `status` is the status of every response."""

    port: int
    messages: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200


@contextmanager
def listening(port: int, status: int = 200) -> Iterator[Listener]:
    """Run a server on `port` within the block."""
    listener = Listener(port, status=status)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            listener.messages.append(json.loads(body))
            self.send_response(listener.status)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield listener
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
