"""Accepted Host and Origin headers, and requests that the web guard rejects."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from ipaddress import IPv4Address
from typing import Any

import pytest

from pmmds_core.config.settings import Settings, load_settings
from pmmds_core.runtime.web_guard import WebGuard
from pmmds_core.runtime.web_requests import host_of, is_allowed_host, is_foreign, is_loopback_host

EVERY_ADDRESS = str(IPv4Address(0))
NAMES = frozenset({"pmmds.example", "mlflow:5000"})


@pytest.mark.parametrize(
    "host", ["localhost", "LocalHost:3000", "127.0.0.1", "127.0.0.1:3000", "127.8.9.1:1", "[::1]", "[::1]:3000"]
)
def test_loopback_names_and_addresses_are_allowed(host: str) -> None:
    assert is_loopback_host(host)
    assert is_allowed_host(host, frozenset())


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:3000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "10.evil.example",
        "192.168.1.5",
        EVERY_ADDRESS,
        "localhost:3000@evil.example",
        "localhost:",
        "localhost:x",
        "localhost, evil.example",
        "[::1",
        "::1",
        "2130706433",
    ],
)
def test_requests_to_other_hosts_are_rejected(host: str) -> None:
    assert not is_allowed_host(host, NAMES)


def test_an_allowed_host_name_without_a_port_matches_any_port() -> None:
    assert is_allowed_host("PMMDS.example:8443", NAMES)
    assert is_allowed_host("mlflow:5000", NAMES)
    assert not is_allowed_host("mlflow:5001", NAMES)
    assert host_of("[2001:db8::1]:80") == "2001:db8::1"


@pytest.mark.parametrize(
    ("origin", "fetch_site", "authority", "foreign"),
    [
        ("", "", "localhost:3000", False),
        ("http://localhost:3000", "same-origin", "localhost:3000", False),
        ("https://PMMDS.example", "", "pmmds.example", False),
        ("", "none", "localhost:3000", False),
        ("http://localhost:8000", "", "localhost:3000", True),
        ("http://127.0.0.1:3000", "", "localhost:3000", True),
        ("http://evil.example", "", "localhost:3000", True),
        ("null", "", "localhost:3000", True),
        ("file://localhost:3000", "", "localhost:3000", True),
        ("", "cross-site", "localhost:3000", True),
        ("", "same-site", "localhost:3000", True),
        ("http://localhost:3000", "cross-site", "localhost:3000", True),
        ("http://localhost:3000", "", "", True),
    ],
)
def test_cross_origin_requests_are_detected_by_their_headers(
    origin: str, fetch_site: str, authority: str, foreign: bool
) -> None:
    assert is_foreign(origin, fetch_site, authority) is foreign


def test_a_server_accepts_its_bound_address_unless_it_is_a_wildcard() -> None:
    settings = load_settings({"PMMDS_WEB_ALLOWED_HOSTS": "Dagster.example, pmmds:3000"})
    assert settings.web_hosts("192.0.2.7") == {"dagster.example", "pmmds:3000", "192.0.2.7"}
    assert settings.web_hosts(EVERY_ADDRESS) == settings.web_hosts("::") == {"dagster.example", "pmmds:3000"}
    assert Settings().web_hosts(EVERY_ADDRESS) == frozenset()


def status(
    headers: list[tuple[bytes, bytes]], method: str = "POST", path: str = "/x", *, json_only: bool = True
) -> int:
    """Return the status of the response, which is 200 if the guard accepts the request."""
    sent: list[MutableMapping[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request"}

    path, _, query = path.partition("?")
    scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": headers}
    asyncio.run(WebGuard(app, NAMES, json_only=json_only)(scope, receive, send))
    return int(sent[0]["status"])


HOST, JSON = (b"host", b"localhost"), (b"content-type", b"application/json")


def test_duplicate_headers_are_rejected() -> None:
    assert status([HOST, JSON]) == 200
    for name in (b"host", b"Host", b"origin", b"content-type"):
        assert status([HOST, JSON, (name, b"localhost"), (name, b"localhost")]) == 400


@pytest.mark.parametrize("found", ["text/plain", "TEXT/PLAIN; charset=utf-8", "multipart/form-data; boundary=x", ""])
def test_a_post_with_a_form_content_type_is_rejected(found: str) -> None:
    headers = [HOST, *([(b"content-type", found.encode())] if found else [])]
    assert status(headers) == 415
    assert status(headers, json_only=False) == 415


def test_a_graphql_query_in_the_url_is_rejected() -> None:
    for method in ("GET", "HEAD"):
        assert status([HOST], method, "/graphql?query=x") == 405
        assert status([HOST], method, "/prefix/graphql/?query=x") == 405
        assert status([HOST], method, "/graphql") == 200
    assert status([HOST, JSON], path="/graphql?op=Name") == 200, "Dagster's pages put the operation name in the URL"


def test_other_content_types_are_accepted_unless_only_json_is_allowed() -> None:
    protobuf = [HOST, (b"content-type", b"application/x-protobuf")]
    assert status(protobuf, json_only=False) == 200
    assert status(protobuf) == 415
    assert status([HOST], "DELETE") == 200
