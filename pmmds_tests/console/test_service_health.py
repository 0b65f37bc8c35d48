"""The health of the service as the console shows it, from a real HTTP server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from pmmds_console import service_health
from pmmds_console.service_health import HealthReader, ServiceHealth
from pmmds_core.config.settings import Settings
from pmmds_core.stores.lifecycle.service_counters import requests_by_status
from pmmds_tests.harness.ports import free_port
from pmmds_tests.harness.service_process import PATIENCE_SECONDS

HEALTHY = {"status": "healthy", "parts": {"database": {"status": "ok", "problem": None}}}
WITHOUT_SHADOW = {"status": "healthy", "parts": {"shadow": {"status": "off"}, "model": {"status": "ok"}}}
ILL = {"status": "unhealthy", "parts": {"spool": {"status": "full", "problem": None}, "model": {"status": "ok"}}}


@pytest.fixture(autouse=True)
def patient_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine, a response may take longer than the console waits."""
    monkeypatch.setattr(service_health, "TIMEOUT_SECONDS", PATIENCE_SECONDS)


@contextmanager
def server(status: int, body: bytes, location: str = "") -> Iterator[tuple[str, list[str]]]:
    """The address of a server that always sends this response, and the Authorization headers that it received."""
    received: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            received.append(self.headers.get("Authorization", ""))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if location:
                self.send_header("Location", location)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.server_port}", received
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, json.dumps(HEALTHY).encode(), ServiceHealth("healthy")),
        (200, json.dumps(WITHOUT_SHADOW).encode(), ServiceHealth("healthy")),
        (503, json.dumps(ILL).encode(), ServiceHealth("unhealthy", ("spool: full",))),
        (
            200,
            b"<html>",
            ServiceHealth("unhealthy", ("The response of the service's health check is not understood.",)),
        ),
    ],
)
def test_the_response_decides_the_word(status: int, body: bytes, expected: ServiceHealth) -> None:
    with server(status, body) as (url, _):
        assert HealthReader(Settings(console_service_url=url)).read() == expected


def test_a_response_is_kept_so_that_open_pages_do_not_load_the_service() -> None:
    with server(200, json.dumps(HEALTHY).encode()) as (url, received):
        reader = HealthReader(Settings(console_service_url=f"{url}/", admin_token="t" * 32))
        assert [reader.read().word for _ in range(5)] == ["healthy"] * 5
    assert received == [""], "the token could reach another program at this address"


def test_a_redirect_is_not_followed() -> None:
    with server(200, json.dumps(HEALTHY).encode()) as (other, received), server(302, b"", other) as (url, _):
        assert HealthReader(Settings(console_service_url=url)).read().word == "unhealthy"
        assert requests_by_status(url) is None
    assert received == []


def test_no_response_is_unreachable() -> None:
    port = free_port()
    found = HealthReader(Settings(http_port=port)).read()
    assert found == ServiceHealth("unreachable", (f"No response from http://127.0.0.1:{port}/healthz.",))
