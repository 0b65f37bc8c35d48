"""`pmmds up` guards the web servers of Dagster and MLflow and creates an admin token.

The tests send the requests of each server's own pages, and those of a browser page from another origin.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from pmmds_cli.processes.definitions import child_environment, local_processes
from pmmds_core.config.admin_token import FILE, read_token
from pmmds_core.config.settings import Settings, load_settings
from pmmds_tests.harness.command_line import pmmds
from pmmds_tests.harness.ports import free_ports
from pmmds_tests.harness.service_process import wait_until

SECONDS = 1500
pytestmark = [pytest.mark.process, pytest.mark.xdist_group("demo"), pytest.mark.timeout(SECONDS)]

EVIL = "http://evil.example"
SEARCH = "/api/2.0/mlflow/experiments/search"
QUERY = {"query": "{ version }"}
RELOAD = {"query": "mutation { reloadWorkspace { __typename } }"}
LOGS = "subscription ($key: [String!]!) { capturedLogs(logKey: $key) { logKey } }"


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """`pmmds up` with a production model."""
    home = tmp_path_factory.mktemp("up") / "home"
    names = ("HTTP", "GRPC", "DAGSTER", "MLFLOW", "CONSOLE")
    ports = {f"PMMDS_{name}_PORT": str(port) for name, port in zip(names, free_ports(5), strict=True)}
    given = {**ports, "PMMDS_SCHEDULES": "off"}
    try:
        trained, started = pmmds(home, "train", given=given), pmmds(home, "up", given=given)
        assert trained.code == started.code == 0, trained.err + started.err
        yield load_settings({"PMMDS_HOME": str(home), **given})
    finally:
        assert pmmds(home, "down", given=given).code == 0


@pytest.fixture(scope="module")
def dagster(up: Settings) -> str:
    return f"http://127.0.0.1:{up.dagster_port}"


@pytest.fixture(scope="module")
def mlflow(up: Settings) -> str:
    return f"http://127.0.0.1:{up.mlflow_port}"


def ask(method: str, url: str, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
    return httpx.request(method, url, headers=headers, timeout=120, trust_env=False, **more)


def test_dagster_pages_load_query_and_mutate(dagster: str) -> None:
    page = ask("GET", dagster, {"Sec-Fetch-Site": "none"})
    assert page.status_code == 200
    assert "<html" in page.text
    assert page.headers["x-frame-options"] == "SAMEORIGIN"
    scripts = [part.split('"')[0] for part in page.text.split('src="')[1:] if part.split('"')[0].endswith(".js")]
    assert scripts
    assert ask("GET", dagster + scripts[0], {"Sec-Fetch-Site": "same-origin"}).status_code == 200
    own = {"Origin": dagster, "Sec-Fetch-Site": "same-origin"}
    # Dagster's pages include the operation name in the URL.
    named = f"{dagster}/graphql?op=VersionQuery"
    assert ask("POST", named, own, json=QUERY).json()["data"]["version"]
    assert ask("POST", named, own, json=RELOAD).json()["data"] == {"reloadWorkspace": {"__typename": "Workspace"}}
    assert ask("POST", f"{dagster}/graphql", json=QUERY).status_code == 200, "a program's request was rejected"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": EVIL}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:8000"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Host": "evil.example:3000", "Origin": "http://evil.example:3000"}, 403),
        ({"Host": "10.evil.example"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "application/graphql"}, 415),
    ],
)
def test_dagster_rejects_mutations_from_other_origins(dagster: str, headers: dict[str, str], status: int) -> None:
    body = json.dumps(RELOAD).encode()
    answer = ask("POST", f"{dagster}/graphql", {"Content-Type": "application/json", **headers}, content=body)
    assert answer.status_code == status
    assert "reloadWorkspace" not in answer.text


def test_dagster_rejects_queries_in_the_url(dagster: str) -> None:
    for method, headers, status in (
        ("GET", {}, 405),
        ("GET", {"Origin": EVIL}, 403),
        ("POST", {"Content-Type": "application/json"}, 400),
        ("POST", {"Content-Type": "Application/JSON"}, 415),
        ("POST", {}, 415),
    ):
        answer = ask(method, f"{dagster}/graphql", headers, params=RELOAD)
        assert answer.status_code == status
        assert "reloadWorkspace" not in answer.text
    report = f"{dagster}/report_asset_materialization/planted"
    assert ask("POST", report, params={"description": "x"}).status_code == 415
    assert ask("POST", report, {"Origin": EVIL}, json={}).status_code == 403


def test_dagster_opens_from_links_but_not_in_frames(dagster: str) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert ask("GET", f"{dagster}/runs", link).status_code == 200
    assert ask("GET", f"{dagster}/runs", {**link, "Sec-Fetch-Dest": "iframe"}).status_code == 403


def subscribed(dagster: str, origin: str) -> Any:
    """Return the first message of a subscription."""
    url = dagster.replace("http", "ws") + "/graphql"
    protocol = Subprotocol("graphql-ws")
    with connect(url, origin=Origin(origin), subprotocols=[protocol], open_timeout=120, proxy=None) as socket:
        socket.send(json.dumps({"type": "connection_init", "payload": {}}))
        payload = {"query": LOGS, "variables": {"key": ["none", "compute_logs", "x"]}}
        socket.send(json.dumps({"type": "start", "id": "1", "payload": payload}))
        while (message := json.loads(socket.recv(timeout=120)))["type"] != "data":
            assert message["type"] in ("connection_ack", "ka"), message
        return message["payload"]["data"]


def test_only_dagster_pages_can_open_subscriptions(dagster: str) -> None:
    assert subscribed(dagster, dagster)["capturedLogs"]["logKey"] == ["none", "compute_logs", "x"]
    for origin in (EVIL, "http://localhost:8000", "null"):
        with pytest.raises(InvalidStatus) as caught:
            subscribed(dagster, origin)
        assert caught.value.response.status_code == 403


def test_mlflow_accepts_its_own_pages_and_programs(mlflow: str) -> None:
    own = {"Origin": mlflow, "Sec-Fetch-Site": "same-origin"}
    assert "<html" in ask("GET", mlflow, {"Sec-Fetch-Site": "none"}).text
    for headers in (own, {}):
        answer = ask("POST", mlflow + SEARCH, headers, json={"max_results": 5})
        assert "churn-classifier" in [e["name"] for e in answer.json()["experiments"]]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": EVIL}, 403),
        ({"Origin": "http://localhost:8000"}, 403),
        ({"Host": "10.evil.example"}, 403),
        ({"Host": "192.168.evil.example", "Origin": "http://192.168.evil.example"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": ""}, 415),
    ],
)
def test_mlflow_rejects_other_origins(mlflow: str, headers: dict[str, str], status: int) -> None:
    body, json_type = b'{"max_results": 5}', {"Content-Type": "application/json"}
    assert ask("POST", mlflow + SEARCH, {**json_type, **headers}, content=body).status_code == status
    assert ask("POST", f"{mlflow}/graphql", {**json_type, **headers}, content=body).status_code == status


def test_up_creates_a_private_token_that_the_commands_use(up: Settings) -> None:
    file = up.home_path / FILE
    assert file.stat().st_mode & 0o777 == 0o600
    assert up.admin_token == read_token(up.home_path)
    assert len(up.admin_token) >= 43
    service = f"http://127.0.0.1:{up.http_port}"
    wait_until(lambda: ask("GET", f"{service}/ready").status_code == 200)
    for path in ("/model/reload", "/api/v1/feedback"):
        assert ask("POST", service + path, json={"items": []}).status_code == 401
    given = {name: value for name, value in up.to_environment().items() if name.endswith("_PORT")}
    sent = pmmds(up.home_path, "traffic", "--count", "20", "--labels", "--json", given=given)
    assert sent.code == 0, sent.err
    assert sent.document["feedback"]["unknown"] == 0
    assert pmmds(up.home_path, "run", "serving", "--check", given=given).code == 0
    shown = pmmds(up.home_path, "config", given=given)
    assert up.admin_token not in shown.out


def test_read_only_server_rejects_mutations(up: Settings, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    settings = load_settings({**up.to_environment(), "PMMDS_DAGSTER_PORT": str(port), "PMMDS_DAGSTER_READ_ONLY": "on"})
    (process,) = [p for p in local_processes(settings) if p.name == "dagster-webserver"]
    environment = {**child_environment(settings, [process]), **settings.to_environment()}
    with (tmp_path / "log").open("wb") as log:
        running = subprocess.Popen(process.argv, env=environment, stdout=log, stderr=log)
    try:
        wait_until(lambda: answers(process.url))
        url = f"http://127.0.0.1:{port}/graphql"
        assert ask("POST", url, json=QUERY).json()["data"]["version"]
        assert ask("POST", url, json=RELOAD).json()["data"]["reloadWorkspace"] == {"__typename": "UnauthorizedError"}
    finally:
        running.terminate()
        running.wait(60)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=10, trust_env=False).is_success
    except httpx.HTTPError:
        return False
