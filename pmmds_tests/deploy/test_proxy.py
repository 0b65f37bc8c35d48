"""With the proxy's configuration, a real nginx forwards only certain requests to Dagster and MLflow.

Addresses, ports and the password file are replaced. Skipped if nginx is not installed.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from pmmds_tests.deploy.manifests import ROOT
from pmmds_tests.harness.ports import free_ports
from pmmds_tests.harness.service_process import wait_until
from pmmds_tests.harness.system_programs import system_program

PORTS = (8000, 50051, 8010, 3000, 5000, 5001, 9090, 3001, 8081)
# Only its owner can read a test's folder, but nginx started as root would switch to another user.
OWN_USER = "user root;" if os.geteuid() == 0 else ""
PERSON = ("pmmds", "a password")
QUERY = b'{"query": "{ version }"}'
LAUNCH = "/graphql?query=mutation%7BlaunchRun%7Btypename%7D%7D"


class Behind(BaseHTTPRequestHandler):
    """Returns the Host header of every request."""

    def answer(self) -> None:
        body = self.headers.get("Host", "").encode()
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Log nothing."""


for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
    setattr(Behind, f"do_{method}", Behind.answer)


@contextmanager
def behind() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Behind)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def nginx(folder: Path, upstream: int) -> Iterator[dict[int, str]]:
    """Run nginx with proxy.conf; yield the address for each published port."""
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    text = (ROOT / "deploy" / "docker" / "proxy.conf").read_text(encoding="utf-8")
    text = re.sub(r"(https?|grpc)://[a-z-]+:[0-9]+;", rf"\1://127.0.0.1:{upstream};", text)
    text = re.sub(r"listen (?:127\.0\.0\.1:)?([0-9]+)", lambda found: f"listen 127.0.0.1:{ports[int(found[1])]}", text)
    users = folder / "users"
    users.write_text(f"pmmds:{{PLAIN}}{PERSON[1]}\n", encoding="utf-8")
    text = text.replace(" /tmp", f" {folder}").replace("/run/secrets/proxy_users", str(users))
    configuration = folder / "nginx.conf"
    configuration.write_text(text, encoding="utf-8")
    process = subprocess.Popen(
        [system_program("nginx"), "-c", str(configuration), "-g", f"daemon off; {OWN_USER}"],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until(lambda: process.poll() is not None or listens(ports[5001]))
        assert process.poll() is None, process.communicate()[1]
        yield {port: f"http://127.0.0.1:{here}" for port, here in ports.items()}
    finally:
        process.terminate()
        process.communicate(timeout=60)


def listens(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/", timeout=5, trust_env=False).status_code > 0
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, str]]:
    folder = tmp_path_factory.mktemp("proxy")
    with behind() as upstream, nginx(folder, upstream) as addresses:
        yield addresses


def status(method: str, url: str, headers: dict[str, str] | None = None, body: bytes = b"") -> int:
    answer = httpx.request(method, url, headers=headers, content=body, auth=PERSON, timeout=60, trust_env=False)
    return answer.status_code


def test_graphql_accepts_only_json_from_dagsters_origin(proxy: dict[int, str]) -> None:
    own, json = proxy[3000], {"Content-Type": "application/json"}
    assert status("POST", f"{own}/graphql?op=VersionQuery", {**json, "Origin": own}, QUERY) == 200
    assert status("POST", f"{own}/graphql", {"Content-Type": "application/json; charset=utf-8", "Origin": own}) == 200
    for headers in (
        json,
        {**json, "Origin": "http://evil.example"},
        {**json, "Origin": "null"},
        {**json, "Origin": own + "1"},
        {"Content-Type": "text/plain", "Origin": own},
        {"Content-Type": "application/x-www-form-urlencoded", "Origin": own},
        {"Content-Type": "text/plain; application/json", "Origin": own},
        {"Origin": own},
    ):
        assert status("POST", f"{own}/graphql", headers, QUERY) == 403, headers


@pytest.mark.parametrize("path", [LAUNCH, "/graphql", LAUNCH.replace("/g", "/%67"), LAUNCH.replace("/g", "//g")])
def test_graphql_rejects_get(proxy: dict[int, str], path: str) -> None:
    own = proxy[3000]
    assert status("GET", own + path) == 403
    assert status("GET", own + path, {"Origin": own}) == 403
    assert status("POST", own + path, {"Content-Type": "text/plain", "Origin": "http://evil.example"}) == 403


def test_websocket_opens_only_from_dagsters_origin(proxy: dict[int, str]) -> None:
    own = proxy[3000]
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"}
    assert status("GET", f"{own}/graphql", {**upgrade, "Origin": own}) == 200
    assert status("GET", f"{own}/graphql", {**upgrade, "Origin": "http://evil.example"}) == 403
    assert status("GET", f"{own}/graphql", upgrade) == 403
    assert status("GET", f"{own}/graphql", {**upgrade, "Upgrade": "h2c", "Origin": own}) == 403


@pytest.mark.parametrize("port", [3000, 5000])
def test_own_pages_and_programs_pass_but_other_origins_do_not(proxy: dict[int, str], port: int) -> None:
    own = proxy[port]
    assert status("GET", f"{own}/") == 200
    assert status("POST", f"{own}/report", {"Content-Type": "application/json"}, b"{}") == 200
    for origin in ("http://evil.example", "null", "http://127.0.0.1"):
        assert status("POST", f"{own}/report", {"Content-Type": "application/json", "Origin": origin}) == 403
    assert httpx.get(own, timeout=60, trust_env=False).status_code == 401


@pytest.mark.parametrize("port", [3000, 5000])
def test_host_header_is_forwarded(proxy: dict[int, str], port: int) -> None:
    answer = httpx.get(proxy[port], headers={"Host": "evil.example"}, auth=PERSON, timeout=60, trust_env=False)
    assert answer.text == "evil.example"


def test_service_can_read_mlflow_but_not_write(proxy: dict[int, str]) -> None:
    reads = proxy[5001]
    for path in ("/api/2.0/mlflow/registered-models/alias?name=x", "/api/2.0/mlflow-artifacts/artifacts/1/a"):
        assert status("GET", reads + path) == 200
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert status(method, reads + path, {"Content-Type": "application/json"}, b"{}") == 403, method
    for path in ("/", "/graphql", "/ajax-api/2.0/mlflow/runs/get", "/api/2.0/mlflow/../../../graphql", "/get-artifact"):
        assert status("GET", reads + path) == 403, path


def test_one_address_cannot_use_all_connections_of_the_console(proxy: dict[int, str]) -> None:
    with ExitStack() as stack:
        for _ in range(32):
            stack.enter_context(unfinished_request(proxy[8010]))
        wait_until(lambda: status("GET", proxy[8010]) == 503)
        elsewhere = httpx.HTTPTransport(local_address="127.0.0.2")
        with httpx.Client(transport=elsewhere, timeout=60, trust_env=False) as client:
            assert client.get(proxy[8010]).status_code == 200
    wait_until(lambda: status("GET", proxy[8010]) == 200)


def unfinished_request(url: str) -> socket.socket:
    """Return a connection with a request whose body does not arrive."""
    parts = urlsplit(url)
    connection = socket.create_connection((parts.hostname, parts.port), timeout=60)
    connection.sendall(b"POST / HTTP/1.1\r\nHost: console\r\nContent-Length: 10\r\n\r\n")
    return connection
