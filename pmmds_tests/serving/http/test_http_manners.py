"""Content codings, charsets, byte order marks and CORS work in the same way with the fast path on and off."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from pmmds_core.contracts.contract import Contract
from pmmds_serving.prediction.limits import PREDICT_BYTES
from pmmds_tests.harness.service_process import RunningService, running_service
from pmmds_tests.harness.service_requests import BATCH, FEEDBACK, JSON, PREDICT, TOKEN, example

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("service")]

PAGE = "https://app.example"


def raw_deflate(body: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(body) + compressor.flush()


CODINGS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("gzip", gzip.compress),
    ("GZIP", gzip.compress),
    ("x-gzip", gzip.compress),
    ("gzip", lambda body: gzip.compress(body[:50]) + gzip.compress(body[50:])),
    ("deflate", zlib.compress),
    ("deflate", raw_deflate),
    ("identity", bytes),
    ("", bytes),
]


def chunks(body: bytes, size: int = 37) -> Iterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


@pytest.fixture
def client(each_service: RunningService) -> httpx.Client:
    """Every test runs with the fast path on and off."""
    return each_service.client


def errors_of(answer: httpx.Response) -> list[str]:
    found: list[str] = answer.json()["detail"]["errors"]
    return found


@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize(("coding", "encode"), CODINGS)
def test_compressed_bodies_are_decoded(
    client: httpx.Client, contract: Contract, coding: str, encode: Callable[[bytes], bytes], is_chunked: bool
) -> None:
    plain = client.post(PREDICT, json=example(contract)).json()
    body = encode(json.dumps(example(contract)).encode())
    headers = {**JSON, "Content-Encoding": coding}
    answer = client.post(PREDICT, content=chunks(body) if is_chunked else body, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["probability"] == plain["probability"]


@pytest.mark.parametrize("path", [BATCH, FEEDBACK])
def test_every_endpoint_decodes_compressed_bodies(client: httpx.Client, contract: Contract, path: str) -> None:
    bodies: dict[str, Any] = {
        BATCH: {"instances": [contract.example()] * 500},
        FEEDBACK: {"items": [{"request_id": f"unknown-{i}", "label": 1} for i in range(3000)]},
    }
    body = gzip.compress(json.dumps(bodies[path]).encode())
    answer = client.post(path, content=body, headers={**JSON, "Content-Encoding": "gzip"})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("path", [PREDICT, BATCH])
@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip, gzip", "gzip, br", "x"])
def test_other_codings_are_rejected_with_the_accepted_ones(client: httpx.Client, path: str, coding: str) -> None:
    answer = client.post(path, content=b"{}", headers={**JSON, "Content-Encoding": coding})
    assert answer.status_code == 415
    assert errors_of(answer) == [f"Content-Encoding is {coding!r}. Expected one of: gzip, deflate, or none"]
    assert answer.headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (gzip.compress(b"0" * 50_000_000), 413, f"The body is larger than {PREDICT_BYTES:,} bytes"),
        (gzip.compress(b" " * (PREDICT_BYTES + 1)), 413, f"The body is larger than {PREDICT_BYTES:,} bytes"),
        (b"{}", 400, "The body is not gzip data"),
        (gzip.compress(b"{}")[:-1], 400, "The body ends before the gzip data is complete"),
        (gzip.compress(b"{}") + b"more", 400, "The body is not gzip data"),
        (b"", 400, "The body ends before the gzip data is complete"),
    ],
    ids=["a bomb", "one byte too many", "plain", "cut", "data behind", "empty"],
)
@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunked"])
def test_compression_bombs_and_broken_data_are_rejected(
    client: httpx.Client, body: bytes, status: int, error: str, is_chunked: bool
) -> None:
    content = chunks(body, 10_000) if is_chunked else body
    answer = client.post(PREDICT, content=content, headers={**JSON, "Content-Encoding": "gzip"})
    assert (answer.status_code, errors_of(answer)) == (status, [error])


def test_a_byte_order_mark_is_skipped(client: httpx.Client, contract: Contract) -> None:
    for path, body in ((PREDICT, example(contract)), (BATCH, {"instances": [contract.example()]})):
        answer = client.post(path, content=b"\xef\xbb\xbf" + json.dumps(body).encode(), headers=JSON)
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", '"utf-8"', "us-ascii"])
def test_json_in_utf_8_is_accepted_with_its_charset(client: httpx.Client, contract: Contract, charset: str) -> None:
    headers = {"Content-Type": f"application/json; charset={charset}"}
    assert client.post(PREDICT, content=json.dumps(example(contract)), headers=headers).status_code == 200


@pytest.mark.parametrize("charset", ["utf-16", "latin-1", "iso-8859-1"])
def test_other_charsets_are_rejected_by_name(client: httpx.Client, contract: Contract, charset: str) -> None:
    headers = {"Content-Type": f"application/json; charset={charset}"}
    answer = client.post(PREDICT, content=json.dumps(example(contract)).encode(charset), headers=headers)
    assert answer.status_code == 415
    assert errors_of(answer) == [f"The charset is {charset}. JSON is UTF-8; expected utf-8 or none"]


@pytest.mark.parametrize("charset", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_json_in_utf_16_is_rejected_with_the_reason(client: httpx.Client, contract: Contract, charset: str) -> None:
    answer = client.post(PREDICT, content=json.dumps(example(contract)).encode(charset), headers=JSON)
    assert answer.status_code == 400
    assert errors_of(answer) == ["The body is not JSON: it is UTF-16 or UTF-32. Send UTF-8"]


def test_an_empty_body_is_rejected_with_the_reason(client: httpx.Client) -> None:
    for body in (b"", b" \n"):
        answer = client.post(PREDICT, content=body, headers=JSON)
        assert (answer.status_code, errors_of(answer)) == (400, ["The body is not JSON: it is empty"])


def test_the_first_of_two_content_types_counts(client: httpx.Client, contract: Contract) -> None:
    body = json.dumps(example(contract))
    for types, status in ((("application/json", "text/plain"), 200), (("text/plain", "application/json"), 415)):
        headers = [("Content-Type", value) for value in types]
        assert client.post(PREDICT, content=body, headers=headers).status_code == status


def test_other_methods_and_paths_get_a_standard_error(client: httpx.Client, contract: Contract) -> None:
    for method, path, status in (("GET", PREDICT, 405), ("OPTIONS", PREDICT, 405), ("PUT", FEEDBACK, 405)):
        answer = client.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (status, "POST")
    assert client.head("/livez").status_code == 200
    for path in (PREDICT, "/healthz"):
        answer = client.post(f"{path}/", json=example(contract))
        assert (answer.status_code, errors_of(answer)[0]) == (
            404,
            "The path ends with a slash, but no endpoint's path does",
        )


def test_any_accept_header_gets_json(client: httpx.Client, contract: Contract) -> None:
    answer = client.post(PREDICT, json=example(contract), headers={"Accept": "text/html"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")


def test_cors_is_off_by_default(client: httpx.Client, contract: Contract) -> None:
    preflight = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
    assert client.options(PREDICT, headers=preflight).status_code == 405
    answer = client.post(PREDICT, json=example(contract), headers={"Origin": PAGE})
    assert answer.status_code == 200
    assert {"vary", "access-control-allow-origin"}.isdisjoint(answer.headers)
    assert client.get("/openapi.json").json()["servers"] == [{"url": "/"}]


@pytest.mark.parametrize("fast_path", ["on", "off"])
def test_cors_and_the_path_prefix_can_be_configured(
    prepared: Callable[..., dict[str, str]], tmp_path: Path, contract: Contract, fast_path: str
) -> None:
    own = {"PMMDS_HTTP_CORS_ORIGINS": f"http://localhost:3000, {PAGE}", "PMMDS_HTTP_PATH_PREFIX": "/churn"}
    own |= {"PMMDS_HTTP_FAST_PATH": fast_path, "PMMDS_ADMIN_TOKEN": TOKEN["Authorization"].removeprefix("Bearer ")}
    with running_service(prepared(tmp_path / "home", **own)) as service:
        client = service.client
        preflight = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
        for path in (PREDICT, FEEDBACK):
            answer = client.options(path, headers=preflight)
            assert (answer.status_code, answer.content) == (204, b"")
            assert answer.headers["access-control-allow-origin"] == PAGE
            assert "Authorization" in answer.headers["access-control-allow-headers"]
            assert client.options(path, headers={**preflight, "Origin": "https://evil.example"}).status_code == 403
        body = example(contract)
        for origin, allowed in ((PAGE, PAGE), ("https://evil.example", None), ("null", None), (None, None)):
            answer = client.post(PREDICT, json=body, headers={"Origin": origin} if origin else {})
            assert answer.status_code == 200
            assert (answer.headers["vary"], answer.headers.get("access-control-allow-origin")) == ("Origin", allowed)
        answer = client.post(FEEDBACK, json={"items": [{"request_id": "x", "label": 1}]}, headers={"Origin": PAGE})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (401, PAGE)
        assert client.get("/openapi.json").json()["servers"] == [{"url": "/churn"}]


def test_the_documentation_page_sends_requests_to_its_own_server(client: httpx.Client) -> None:
    page = client.get("/docs").text
    assert 'spec.servers = [{ url: new URL(".", location.href)' in page
    assert '"/openapi.json"' not in page
