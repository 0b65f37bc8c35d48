"""Tests Compose end to end: builds images, runs the README's quick start in containers, kills containers under load.

`make test-compose` runs these tests in order on one system and prints measurements. Not here: checks that
need no engine (architecture/test_deployment_files.py), the fixtures (conftest.py).
"""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import msgspec
import pytest

from pmmds_tests.compose.engine import (
    FOLDER,
    IMAGES,
    PYTHON_IMAGE,
    Project,
    docker,
    image_bytes,
    password,
    report,
)
from pmmds_tests.compose.load import Clients
from pmmds_tests.harness.quick_start import QuickStart, readme_request

pytestmark = [pytest.mark.compose, pytest.mark.timeout(3600)]
MAX_SERVING_BYTES = 300_000_000


def request_ids(own: Project, name: str) -> list[str]:
    """Return the client request ids in the database that begin with `name`, queried with psql."""
    query = f"select client_request_id from prediction_logs where client_request_id like '{name}-%'"
    command = f'PGPASSWORD=$(cat /run/secrets/pmmds_password) psql -h 127.0.0.1 -U pmmds -d pmmds -At -c "{query}"'
    said = own.inside("postgres", "sh", "-c", command)
    assert said.code == 0, said.err
    return said.out.split()


def check_nothing_lost(own: Project, clients: Clients, name: str) -> None:
    """Assert that every answered id is in the database exactly once."""
    deadline, wanted = time.monotonic() + 60, set(clients.answered)
    while missing := wanted - set(found := request_ids(own, name)):
        assert time.monotonic() < deadline, f"{len(missing)} answered predictions are not logged: {sorted(missing)[:5]}"
        time.sleep(0.5)
    assert len(found) == len(set(found))


def test_the_serving_image_is_small(built: Project) -> None:
    base = image_bytes(PYTHON_IMAGE)
    over = {name: image_bytes(f"pmmds-{name}:0.1.0") - base for name in IMAGES}
    report("over the base image: " + ", ".join(f"{name} {size / 1e6:.0f} MB" for name, size in over.items()))
    assert over["serving"] <= MAX_SERVING_BYTES


def test_no_process_runs_as_root_and_only_loopback_is_bound(system: Project) -> None:
    for container in system.containers():
        details = container.details
        if details["Config"]["Image"].startswith("pmmds-"):
            assert details["Config"]["User"] == "10001:10001", container.service
        assert details["HostConfig"]["ReadonlyRootfs"], container.service
        ports = [p for bound in details["NetworkSettings"]["Ports"].values() for p in bound or []]
        assert {p["HostIp"] for p in ports} <= {"127.0.0.1"}, container.service
        assert bool(ports) == (container.service == "proxy"), container.service


@pytest.mark.parametrize(
    ("port", "path"), [("DAGSTER", "/server_info"), ("MLFLOW", "/health"), ("PROMETHEUS", "/-/ready")]
)
def test_web_interfaces_require_the_password(system: Project, port: str, path: str) -> None:
    url = system.url(port) + path
    assert httpx.get(url, trust_env=False, timeout=30).status_code == httpx.codes.UNAUTHORIZED
    assert (
        httpx.get(url, auth=("pmmds", "guessed"), trust_env=False, timeout=30).status_code == httpx.codes.UNAUTHORIZED
    )
    answer = httpx.get(url, auth=("pmmds", password("proxy_password")), trust_env=False, timeout=30)
    assert answer.status_code == httpx.codes.OK, answer.text


def test_guarded_endpoints_require_the_token_behind_the_proxy(system: Project) -> None:
    url = system.url("HTTP") + "/model/reload"
    assert httpx.post(url, trust_env=False, timeout=60).status_code == httpx.codes.UNAUTHORIZED
    headers = {"Authorization": f"Bearer {password('admin_token')}"}
    assert httpx.post(url, headers=headers, trust_env=False, timeout=60).json()["version"] == "1"


REACH = """
import json, socket, sys, urllib.error, urllib.request

def status(url, data=None):
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})
    try:
        return urllib.request.urlopen(request, timeout=20).status
    except urllib.error.HTTPError as error:
        return error.code

def is_known(name):
    try:
        socket.getaddrinfo(name, 80)
    except socket.gaierror:
        return False
    return True

reads = "http://mlflow-reads:5001/api/2.0/mlflow/"
print(json.dumps({
    "known": [n for n in ("mlflow", "dagster-webserver", "dagster-code", "dagster-daemon", "postgres") if is_known(n)],
    "read": status(reads + "registered-models/search?max_results=1"),
    "write": status(reads + "registered-models/create", b'{"name": "planted"}'),
    "page": status("http://mlflow-reads:5001/"),
    "dagster": status("http://mlflow-reads:3000/server_info"),
}))
"""


def test_service_can_read_mlflow_but_not_write_or_use_dagster(system: Project) -> None:
    said = system.inside("serving", "python", "-c", REACH)
    assert said.code == 0, said.err
    found = {"known": ["postgres"], "read": 200, "write": 403, "page": 403, "dagster": 401}
    assert msgspec.json.decode(said.out) == found


def graphql(system: Project, method: str, **headers: str) -> int:
    """Return the status of a GraphQL query with the correct password."""
    auth = ("pmmds", password("proxy_password"))
    query = {"query": "{ version }"}
    with httpx.Client(auth=auth, headers=headers, trust_env=False, timeout=60) as client:
        url = f"{system.url('DAGSTER')}/graphql"
        return (client.post(url, json=query) if method == "POST" else client.get(url, params=query)).status_code


def test_dagster_accepts_only_requests_from_its_own_pages(system: Project) -> None:
    own = system.url("DAGSTER")
    assert graphql(system, "POST", Origin=own) == 200
    assert graphql(system, "POST", Origin="http://evil.example") == 403
    assert graphql(system, "POST") == 403
    assert graphql(system, "GET", Origin=own) == 403
    assert graphql(system, "POST", Origin="http://evil.example:3000", Host="evil.example:3000") == 403


def test_service_login_cannot_roll_back(system: Project) -> None:
    before = system.pmmds("decisions", "--json").document
    said = system.inside("serving", "pmmds", "rollback", "--by", "Mallory", "--reason", "none")
    assert said.code == 1
    assert "denied permission to this user" in said.err
    assert "pmmds_promoter" in said.err
    assert system.pmmds("decisions", "--json").document == before


def test_whole_loop_runs_in_containers(system: Project) -> None:
    """Drift opens an alert, the sensor retrains, and the promoted version answers."""
    quick_start = QuickStart(system.pmmds, system.url("HTTP"))
    quick_start.first_prediction()
    before = quick_start.n_logged()
    quick_start.calm_traffic(before)
    quick_start.drifted_traffic(before + 500)
    quick_start.await_promotion()
    quick_start.await_answer_of("2")
    quick_start.explain()
    report(f"alert to promotion {quick_start.seen['alert_to_promotion_seconds']:.0f} s")


def queried(system: Project, expression: str) -> list[float]:
    """Return the values of a PromQL expression."""
    auth, url = ("pmmds", password("proxy_password")), f"{system.url('PROMETHEUS')}/api/v1/query"
    answer = httpx.get(url, params={"query": expression}, auth=auth, trust_env=False, timeout=30).json()
    return [float(series["value"][1]) for series in answer["data"]["result"]]


def await_value(system: Project, expression: str) -> None:
    """Wait until a PromQL expression, such as a comparison, has a value."""
    deadline = time.monotonic() + 90
    while not queried(system, expression):
        assert time.monotonic() < deadline, expression
        time.sleep(1)


def test_prometheus_scrapes_the_service(system: Project) -> None:
    await_value(system, 'sum(pmmds_predictions_total{model_version="1"})')


def test_prometheus_counts_events_whose_receiver_is_down(system: Project) -> None:
    # The loop published events after test_access_and_webhooks.py stopped the receiver.
    # The list contains the events with a failed attempt; later events wait behind them.
    listed = system.pmmds("webhooks", "list", "--limit", "1000", "--json").document
    assert "alert.opened" in {event["kind"] for event in listed}
    assert {event["state"] for event in listed} <= {"pending", "given_up"}
    await_value(system, 'max(pmmds_outbox_waiting{channel="webhook"}) > 1')
    await_value(system, 'max(pmmds_outbox_oldest_seconds{channel="webhook"}) > 10')


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://pmmds:wrong@postgres:5432/pmmds", "rejected the user name or password"),
        ("postgresql://pmmds:x@nowhere:5432/pmmds", "cannot be reached"),
        ("postgresql://pmmds:x@postgres:5432/nothing", "on PostgreSQL at postgres:5432"),
    ],
)
def test_unusable_database_is_reported_in_one_sentence(system: Project, url: str, message: str) -> None:
    said = system.run("run", "--rm", "-T", "--no-deps", "-e", f"PMMDS_DATABASE_URL={url}", "migrate")
    assert said.code == 1, said.err
    lines = [line for line in (said.out + said.err).splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1, said.err
    assert message in lines[0]
    assert "wrong" not in lines[0]


def test_no_prediction_is_lost_if_postgresql_is_killed_under_load(system: Project) -> None:
    before = system.container("postgres").n_restarts
    with Clients(system.url("HTTP"), readme_request()).sending("pg") as clients:
        clients.wait_until(lambda: True, 30)
        killed = system.inside(
            "postgres", "sh", "-c", "kill -9 $(head -1 /var/lib/postgresql/data/postmaster.pid)", user="postgres"
        )
        began = time.monotonic()
        clients.wait_until(lambda: system.container("postgres").n_restarts > before, 60)
        clients.wait_until(lambda: system.container("postgres").is_healthy, 120)
        back = time.monotonic() - began
    assert killed.code in (0, 137), killed.err
    assert clients.failures == [], "the service answers without a database"
    check_nothing_lost(system, clients, "pg")
    system.wait_until_healthy(seconds=240)
    report(f"PostgreSQL killed: healthy {back:.0f} s later, {len(clients.answered)} answered, 0 failed, 0 lost")


def test_no_request_fails_if_mlflow_is_killed_under_load(system: Project) -> None:
    before = system.container("mlflow").n_restarts
    with Clients(system.url("HTTP"), readme_request()).sending("ml") as clients:
        system.inside("mlflow", "sh", "-c", "kill -9 -1")
        clients.wait_until(lambda: system.container("mlflow").n_restarts > before, 60)
        clients.wait_until(lambda: system.container("mlflow").is_healthy, 180)
        said = system.pmmds("rollback", "--by", "Ada", "--reason", "a trial", "--json")
        assert said.code == 0, said.err
        QuickStart(system.pmmds, system.url("HTTP")).await_answer_of("1")
    assert clients.failures == []
    check_nothing_lost(system, clients, "ml")


def test_no_request_fails_if_a_replica_is_killed_under_load(production: Project) -> None:
    before = production.container("serving-b").n_restarts
    # The version is not asserted: the hourly monitoring may have caused a retraining.
    checks = [production.inside(name, "pmmds", "run", "serving", "--check") for name in ("serving", "serving-b")]
    assert [c.code for c in checks] == [0, 0]
    assert all(c.out.startswith("serving is healthy; model: ") and "none" not in c.out for c in checks)
    with Clients(production.url("HTTP"), readme_request()).sending("rep") as clients:
        clients.wait_until(lambda: True, 30)
        production.inside("serving-b", "sh", "-c", "kill -9 -1")
        clients.wait_until(lambda: production.container("serving-b").n_restarts > before, 60)
        clients.wait_until(lambda: production.container("serving-b").is_healthy, 180)
    assert clients.failures == [], "the proxy retries with the other replica"
    check_nothing_lost(production, clients, "rep")
    report(f"replica killed: {len(clients.answered)} answered, 0 failed, 0 lost")


def test_production_overlay_enables_automatic_rollback_and_pgbouncer(production: Project) -> None:
    rows = production.pmmds("config", "--json").document
    found = {row["variable"]: row["value"] for row in rows}
    assert found["PMMDS_ROLLBACK_AUTOMATIC"] == "on"
    assert "@pgbouncer:6432/" in found["PMMDS_DATABASE_URL"]
    assert ":***@" in found["PMMDS_DATABASE_URL"]


CRAMPED = """services:
  cramped:
    extends: {{file: {replica}, service: replica}}
    tmpfs: [/tmp, "/var/lib/pmmds:uid=10001,gid=10001,size=6m"]
"""


def test_health_check_reports_a_full_volume(production: Project, tmp_path: Path) -> None:
    file = tmp_path / "cramped.yaml"
    file.write_text(CRAMPED.format(replica=FOLDER / "replica.yaml"))
    own = production.with_files(file)
    own.must("up", "-d", "--no-deps", "cramped")
    own.wait_until_healthy(["cramped"])
    filled = own.inside("cramped", "sh", "-c", "cat /dev/zero > /var/lib/pmmds/ballast")
    assert "No space left" in filled.err
    deadline = time.monotonic() + 120
    while own.container("cramped").health != "unhealthy":
        own.inside("cramped", "python", "-c", ASK_ONCE)
        assert time.monotonic() < deadline, own.logs("cramped")
    said = own.inside("cramped", "pmmds", "run", "serving", "--check")
    assert said.code == 1
    assert "spool: " in said.err
    assert own.inside("cramped", "rm", "/var/lib/pmmds/ballast").code == 0
    own.wait_until_healthy(["cramped"])
    docker("rm", "-f", own.container("cramped").id)


ASK_ONCE = f"""
import json, urllib.request, urllib.error
body = json.dumps({readme_request()!r}).encode()
request = urllib.request.Request(
    "http://127.0.0.1:8000/api/v1/predict", data=body, headers={{"Content-Type": "application/json"}}
)
for _ in range(200):
    try:
        urllib.request.urlopen(request, timeout=5).read()
    except urllib.error.HTTPError as error:
        error.read()
"""
