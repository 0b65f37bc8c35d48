"""Guarded endpoints reject web pages in a browser on the same machine, and accept the token.

The tests send a browser's requests to a real service: DNS rebinding, and pages from another origin.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path

import grpc
import httpx
import pytest

from pmmds_core.contracts.contract import Contract
from pmmds_core.deployment import Deployment
from pmmds_serving.api_errors import HIDDEN
from pmmds_serving.generated.pmmds.v1.prediction_pb2_grpc import PredictionServiceStub
from pmmds_tests.harness.grpc_requests import label, refused
from pmmds_tests.harness.service_process import RunningService, running_service, wait_until
from pmmds_tests.harness.service_requests import FEEDBACK, TOKEN, is_logged, predicted
from pmmds_tests.serving.http.test_feedback_endpoint import known_labels
from pmmds_tests.serving.rpc.test_service import feedback

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("service")]

RELOAD = "/model/reload"
EVIL = "http://evil.example"


def test_dns_rebinding_cannot_store_labels(
    client: httpx.Client, contract: Contract, stores: Deployment, service: RunningService
) -> None:
    one = predicted(client, contract)
    port = service.settings.http_port
    for host in (f"evil.example:{port}", f"localhost.evil.example:{port}", "192.0.2.1"):
        headers = {"Host": host, "Origin": f"http://{host}"}
        answer = client.post(FEEDBACK, json={"items": [{"request_id": one, "label": 1}]}, headers=headers)
        assert answer.status_code == 403, host
    is_logged(stores, one)
    assert known_labels(stores, one) == {}


@pytest.mark.parametrize(
    "headers",
    [{"Origin": EVIL}, {"Origin": "null"}, {"Origin": "http://localhost:1"}, {"Sec-Fetch-Site": "cross-site"}],
)
def test_pages_from_another_origin_cannot_use_guarded_endpoints(client: httpx.Client, headers: dict[str, str]) -> None:
    plain = {"Content-Type": "text/plain", **headers}
    assert client.post(RELOAD, content=b"x", headers=plain).status_code == 403
    assert client.post(RELOAD, headers=headers).status_code == 403
    assert client.post(FEEDBACK, json={"items": []}, headers=headers).status_code == 403


def test_a_reload_with_another_content_type_is_rejected(client: httpx.Client) -> None:
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = client.post(RELOAD, content=b"x", headers={"Content-Type": content_type})
        assert answer.status_code == 415, content_type


def test_duplicate_host_headers_are_rejected(service: RunningService) -> None:
    request = f"POST {RELOAD} HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nContent-Length: 0\r\n\r\n"
    with socket.create_connection((service.settings.http_host, service.settings.http_port), timeout=60) as raw:
        raw.sendall(request.encode())
        status = raw.recv(64).split()[1]
    assert status in (b"400", b"403")


def test_local_programs_and_pages_are_accepted(client: httpx.Client, service: RunningService) -> None:
    assert client.post(RELOAD).json()["version"] == "1"
    own = f"localhost:{service.settings.http_port}"
    for headers in ({"Host": own}, {"Host": own, "Origin": f"http://{own}", "Sec-Fetch-Site": "same-origin"}):
        assert client.post(RELOAD, json={}, headers=headers).json()["version"] == "1"


def test_a_grpc_call_forwarded_for_a_web_page_is_rejected(stub: PredictionServiceStub) -> None:
    call = partial(stub.SendFeedback, feedback(label("x", 1)), metadata=(("origin", EVIL),))
    assert refused(call).code is grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_bearer_scheme_is_case_insensitive(guarded: RunningService, scheme: str) -> None:
    token = TOKEN["Authorization"].removeprefix("Bearer ")
    answer = guarded.client.post(RELOAD, headers={"Authorization": f"{scheme} {token}"})
    assert answer.json()["version"] == "1"


@pytest.mark.parametrize("prefix", ["", "Basic ", "Token ", "Bearer", "Bearer Bearer "])
def test_a_token_without_its_scheme_is_rejected_with_www_authenticate(guarded: RunningService, prefix: str) -> None:
    token = TOKEN["Authorization"].removeprefix("Bearer ")
    answer = guarded.client.post(RELOAD, headers={"Authorization": prefix + token})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="PMMDS"'


def test_two_authorization_headers_are_rejected(guarded: RunningService) -> None:
    for values in ((TOKEN["Authorization"], "Bearer x"), (TOKEN["Authorization"],) * 2):
        answer = guarded.client.post(RELOAD, headers=[("Authorization", value) for value in values])
        assert answer.status_code == 401


def test_health_shows_problem_texts_only_with_the_token(
    prepared: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    away = "http://127.0.0.1:9"
    token = TOKEN["Authorization"].removeprefix("Bearer ")
    environment = prepared(tmp_path / "home", PMMDS_ADMIN_TOKEN=token, PMMDS_MLFLOW_TRACKING_URI=away)
    with running_service(environment) as service:
        wait_until(lambda: service.client.get("/healthz").json()["parts"]["registry"]["status"] == "problem")
        reported = service.client.get("/healthz", headers=TOKEN).json()["parts"]["registry"]
        hidden = service.client.get("/healthz")
        assert "127.0.0.1:9" in reported["problem"]
        assert hidden.json()["parts"]["registry"] == {**reported, "problem": HIDDEN} | {
            "checked_at": hidden.json()["parts"]["registry"]["checked_at"]
        }
        for path in ("/healthz", "/ready", "/model", "/"):
            assert "127.0.0.1:9" not in service.client.get(path).text, path
            assert str(tmp_path) not in service.client.get(path).text, path


def test_health_shows_problems_to_local_programs_but_not_to_web_pages(
    prepared: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    environment = prepared(tmp_path / "home", PMMDS_MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    with running_service(environment) as service:
        wait_until(lambda: "127.0.0.1:9" in service.client.get("/healthz").text)
        for headers in ({"Host": "evil.example"}, {"Origin": EVIL}):
            answer = service.client.get("/healthz", headers=headers)
            assert answer.json()["parts"]["registry"]["problem"] == HIDDEN
