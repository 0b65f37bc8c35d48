"""Pages and the OpenAPI document work offline, and any other path gets a standard error."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from html import unescape

import httpx
import pytest

from pmmds_core.contracts.contract import Contract
from pmmds_serving.application import ROUTES
from pmmds_serving.http.predict_endpoint import PREDICT_PATH
from pmmds_tests.harness.service_process import RunningService, wait_until
from pmmds_tests.harness.service_requests import (
    FEEDBACK,
    PREDICT,
    refusal,
)

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("service")]


def test_the_openapi_document_has_all_endpoints_and_features(client: httpx.Client, contract: Contract) -> None:
    document = client.get("/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    reported = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert reported == {(method, path) for method, path, _ in ROUTES} | {("POST", PREDICT_PATH)}
    features = document["components"]["schemas"]["Features"]
    assert list(features["properties"]) == list(contract.feature_names)
    example = document["paths"][PREDICT]["post"]["requestBody"]["content"]["application/json"]["example"]
    assert client.post(PREDICT, json=example).status_code == 200


def test_the_api_documentation_works_offline(client: httpx.Client) -> None:
    page = client.get("/docs").text
    links = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert "http" not in page
    for link in [link for link in links if not link.startswith("data:")]:
        assert client.get(f"/{link}").status_code == 200, link


def test_the_front_page_shows_the_model_and_a_working_command(client: httpx.Client, service: RunningService) -> None:
    page = client.get("/").text
    assert "churn-classifier" in page
    found = re.search(r"<pre[^>]*>(curl .*?)</pre>", page, re.DOTALL)
    assert found is not None
    command = shlex.split(unescape(found[1]))
    assert command[2] == f"{service.url}{PREDICT}"
    done = subprocess.run([*command, "--noproxy", "*"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["model_version"] == "1"


def test_the_front_page_counts_logged_predictions(
    client: httpx.Client, contract: Contract, service: RunningService
) -> None:
    def reported() -> int:
        found = re.search(r"Last hour</th><td>([0-9,]+)", client.get("/").text)
        assert found is not None
        return int(found[1].replace(",", ""))

    before = reported()
    for _ in range(3):
        assert client.post(PREDICT, json={"features": contract.example()}).status_code == 200
    wait_until(lambda: reported() >= before + 3)


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_cannot_be_framed_and_load_nothing_external(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("path", ["/nothing", "/api/v1", "/docs/secret.txt", "/docs/../pyproject.toml", "/schema.json"])
def test_an_unknown_path_is_a_standard_404(client: httpx.Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert response.json() == refusal("See GET /docs for all endpoints", message="Not Found")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", PREDICT), ("DELETE", FEEDBACK), ("POST", "/healthz"), ("PUT", "/")]
)
def test_a_wrong_method_is_a_standard_405(client: httpx.Client, method: str, path: str) -> None:
    response = client.request(method, path)
    assert response.status_code == 405
    assert response.json() == refusal("See GET /docs for all endpoints", message="Method Not Allowed")
    assert response.headers["allow"]
