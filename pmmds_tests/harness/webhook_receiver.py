"""A real HTTP server that records the webhook requests it receives and returns the responses that a test chooses.

Not here: messages of apprise (http_listener.py).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER_SECRET = "whsec_" + base64.b64encode(bytes(range(32, 64))).decode()


@dataclass(frozen=True)
class Received:
    """A received request. `path` includes the query."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        decoded: dict[str, Any] = json.loads(self.body)
        return decoded

    @property
    def event_id(self) -> str:
        return self.headers["webhook-id"]


@dataclass
class Receiver:
    """A running receiver.

    `status` and `location` are the status and the Location header of every response. Requests wait until `answers` is
    set.
    """

    port: int
    status: int = 204
    location: str = ""
    requests: list[Received] = field(default_factory=list)
    answers: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def kinds(self) -> list[str]:
        """Return the types of the received events, in order."""
        return [request.event["type"] for request in self.requests]


@contextmanager
def receiving(port: int, *, status: int = 204, location: str = "", hangs: bool = False) -> Iterator[Receiver]:
    """Run a server on `port` within the block. With `hangs`, the server responds only after the block."""
    receiver = Receiver(port, status, location)
    if not hangs:
        receiver.answers.set()
    server = ThreadingHTTPServer(("127.0.0.1", port), _handler(receiver))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield receiver
    finally:
        receiver.answers.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.requests.append(Received(self.path, headers, body))
            receiver.answers.wait()
            self.send_response(receiver.status)
            if receiver.location:
                self.send_header("Location", receiver.location)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Print nothing."""

    return Handler


def signature_of(request: Received, secret: str) -> str:
    """Return the signature that the specification defines: the HMAC-SHA256 of `id.timestamp.body` in base64."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join((request.event_id.encode(), request.headers["webhook-timestamp"].encode(), request.body))
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
