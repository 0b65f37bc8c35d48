"""A real HTTP server that keeps the requests it receives, for tests of notifications."""

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
    """`messages`: bodies received. `status`: HTTP status of every response."""

    port: int
    messages: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200


@contextmanager
def listening(port: int, status: int = 200) -> Iterator[Listener]:
    """Within the block: a server on `port`."""
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
