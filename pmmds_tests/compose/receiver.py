"""A webhook receiver, which is a process in the container that sends the events, and the Compose file with its address.

Webhooks accept http:// only for loopback addresses, so a receiver in another container would need a certificate. Not
here: assertions (test_access_and_webhooks.py).
"""

from __future__ import annotations

import base64
import time
from pathlib import Path

import msgspec

from pmmds_tests.compose.engine import Project
from pmmds_tests.harness.webhook_receiver import Received

CONTAINER, PORT = "dagster-code", 8899
# Files in the container.
_RECORDS, _PROCESS_ID = "/var/lib/pmmds/webhooks.jsonl", "/var/lib/pmmds/receiver.pid"
_PROGRAM = f"""
import base64, http.server, json, os

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {{name.lower(): value for name, value in self.headers.items()}}
        record = {{"path": self.path, "headers": headers, "body": base64.b64encode(body).decode()}}
        with open("{_RECORDS}", "a") as file:
            file.write(json.dumps(record) + "\\n")
        self.send_response(204)
        self.end_headers()

server = http.server.ThreadingHTTPServer(("127.0.0.1", {PORT}), Handler)
with open("{_PROCESS_ID}", "w") as file:
    file.write(str(os.getpid()))
server.serve_forever()
"""


class _Record(msgspec.Struct):
    path: str
    headers: dict[str, str]
    body: str


def target_file(folder: Path) -> Path:
    """Write a Compose file that replaces the secret `webhook_urls` by the receiver's address. Return its path."""
    urls, file = folder / "webhook_urls", folder / "webhooks.yaml"
    urls.write_text(f"http://127.0.0.1:{PORT}/hook\n")
    urls.chmod(0o444)
    # docker-compose 1.29 requires a service in every file.
    services = f"services:\n  {CONTAINER}: {{secrets: [webhook_urls]}}\n"
    file.write_text(f"{services}secrets:\n  webhook_urls: {{file: {urls}}}\n")
    return file


def start_receiver(own: Project) -> None:
    """Start the receiver and wait until it accepts connections."""
    own.must("exec", "-d", CONTAINER, "python", "-c", _PROGRAM)
    deadline = time.monotonic() + 60
    while own.inside(CONTAINER, "test", "-s", _PROCESS_ID).code != 0:
        assert time.monotonic() < deadline, "the receiver did not start"
        time.sleep(0.5)


def stop_receiver(own: Project) -> None:
    said = own.inside(CONTAINER, "sh", "-c", f"kill $(cat {_PROCESS_ID}) && rm {_PROCESS_ID}")
    assert said.code == 0, said.err


def received(own: Project) -> list[Received]:
    """Return the requests so far, in order."""
    said = own.inside(CONTAINER, "sh", "-c", f"cat {_RECORDS} 2>/dev/null || true")
    records = [msgspec.json.decode(line, type=_Record) for line in said.out.splitlines()]
    return [Received(r.path, r.headers, base64.b64decode(r.body)) for r in records]
