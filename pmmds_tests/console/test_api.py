"""The monitoring API of a real console returns the values in the stores, on each engine."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import jsonschema_rs
import pytest

from pmmds_core.deployment import Deployment
from pmmds_tests.console.monitored_home import N_ROWS
from pmmds_tests.harness.console_process import RunningConsole

pytestmark = pytest.mark.process
LISTS = [
    "versions",
    "drift-reports",
    "features",
    "features/tenure/series",
    "alerts",
    "decisions",
    "performance",
    "audit-events",
]


def only_item(console: RunningConsole, path: str) -> dict[str, Any]:
    answer = console.get(path)
    assert answer.status_code == 200, answer.text
    document = answer.json()
    assert document["next"] is None
    (item,) = document["items"]
    assert isinstance(item, dict)
    return item


def test_the_version_in_production_is_listed_with_its_decision(console: RunningConsole, monitored: Deployment) -> None:
    item = only_item(console, "/versions")
    found = monitored.registrations.of_version("1")
    assert found is not None
    assert (item["model_version"], item["is_production"], item["digest"]) == ("1", True, found.digest)
    (decision,) = monitored.decisions.recent()
    detail = console.get("/versions/1").json()
    assert [d["decision_id"] for d in detail["decisions"]] == [decision.decision_id]
    assert only_item(console, "/decisions")["promotion_reason"] == decision.promotion_reason
    assert console.get(f"/decisions/{decision.decision_id}").json()["document"]["criteria"]


def test_a_report_has_the_stored_document_and_times_in_utc(console: RunningConsole, monitored: Deployment) -> None:
    (report,) = monitored.drift.recent()
    item = only_item(console, "/drift-reports")
    assert "document" not in item
    assert "html_path" not in item
    assert (item["report_id"], item["verdict"], item["n_current"]) == (report.report_id, "drifted", N_ROWS)
    assert item["window_end"] == f"{report.window_end:%Y-%m-%dT%H:%M:%SZ}"
    assert console.get(f"/drift-reports/{report.report_id}").json()["document"] == report.document


def test_a_series_has_the_psi_p_value_and_band_of_each_report(console: RunningConsole, monitored: Deployment) -> None:
    (report,) = monitored.drift.recent()
    for feature in report.document["features"]:
        point = only_item(console, f"/features/{feature['feature']}/series")
        assert {name: point[name] for name in ("psi", "p_value", "band")} == {
            name: pytest.approx(feature[name], rel=1e-5) if name != "band" else feature[name]
            for name in ("psi", "p_value", "band")
        }
    listed = [item["feature"] for item in console.get("/features").json()["items"]]
    assert listed == sorted(f["feature"] for f in report.document["features"])


def test_an_alert_lists_its_changes_and_retrainings(console: RunningConsole, monitored: Deployment) -> None:
    (alert,) = monitored.alerts.recent()
    assert only_item(console, "/alerts?status=open")["message"] == alert.message
    assert console.get("/alerts?status=resolved").json() == {"items": [], "next": None}
    detail = console.get(f"/alerts/{alert.alert_id}").json()
    assert [change["kind"] for change in detail["changes"]] == ["opened"]
    assert detail["retrainings"] == []


def test_a_day_has_realized_and_estimated_metrics(console: RunningConsole, monitored: Deployment) -> None:
    item = only_item(console, "/performance")
    (stored,) = monitored.daily_performance.results(datetime(2026, 1, 1, tzinfo=UTC))
    realized = {m["metric"]: m["value"] for m in item["metrics"] if m["source"] == "realized"}
    assert realized == {name: values["value"] for name, values in stored.document["realized"].items()}
    (auc,) = (m for m in item["metrics"] if (m["metric"], m["source"]) == ("roc_auc", "estimated"))
    estimated = stored.document["estimated"]
    assert (auc["value"], auc["low"], auc["high"]) == tuple(
        estimated[name] for name in ("roc_auc", "roc_auc_low", "roc_auc_high")
    )
    assert (item["n_rows"], item["day"]) == (N_ROWS, f"{stored.day:%Y-%m-%d}")


def test_a_prediction_explanation_contains_no_file_paths(console: RunningConsole, monitored: Deployment) -> None:
    answer = console.get("/predictions/row-3")
    document = answer.json()
    (record,) = monitored.prediction_log.find(["row-3"]).values()
    assert document["prediction"]["probability"] == record.probability
    contributions = sum(c["log_odds"] for c in document["explanation"]["contributions"])
    assert document["explanation"]["baseline"] + contributions == pytest.approx(document["explanation"]["log_odds"])
    assert document["decision"]["decision_id"] == monitored.decisions.recent()[0].decision_id
    assert document["training_data"]["n_rows"] > 0
    assert str(monitored.settings.home_path) not in answer.text


@pytest.mark.parametrize("path", [*LISTS, "openapi.json", "predictions/row-3", "versions/1"])
def test_an_unchanged_response_with_a_matching_etag_is_304(console: RunningConsole, path: str) -> None:
    first = console.get(f"/{path}")
    tag = first.headers["etag"]
    for given in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = console.get(f"/{path}", {"If-None-Match": given})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert console.get(f"/{path}", {"If-None-Match": '"other"'}).content == first.content


@pytest.mark.parametrize("path", LISTS)
def test_head_returns_the_headers_of_get(console: RunningConsole, path: str) -> None:
    get, head = console.get(f"/{path}"), console.get(f"/{path}", method="HEAD")
    assert head.content == b""
    for name in ("etag", "content-type", "content-length", "cache-control", "x-content-type-options"):
        assert head.headers[name] == get.headers[name]


@pytest.mark.parametrize(
    ("method", "path", "status", "name"),
    [
        ("GET", "/nothing", 404, "not-found"),
        ("GET", "/versions/", 404, "not-found"),
        ("GET", "/versions/99", 404, "not-found"),
        ("GET", "/drift-reports/99", 404, "not-found"),
        ("GET", "/alerts/99", 404, "not-found"),
        ("GET", "/decisions/none", 404, "not-found"),
        ("GET", "/features/none/series", 404, "not-found"),
        ("GET", "/predictions/none", 404, "not-found"),
        ("GET", "/predictions/a/b", 404, "not-found"),
        ("POST", "/versions", 415, "request-not-allowed"),
        ("DELETE", "/versions", 405, "method-not-allowed"),
        ("GET", "/drift-reports/x", 422, "invalid-parameter"),
        ("GET", "/drift-reports/99999999999999999999", 422, "invalid-parameter"),
        ("GET", "/versions?limit=0", 422, "invalid-parameter"),
        ("GET", "/versions?limit=501", 422, "invalid-parameter"),
        ("GET", "/versions?limit=ten", 422, "invalid-parameter"),
        ("GET", "/versions?limit=1&limit=2", 422, "invalid-parameter"),
        ("GET", "/audit-events?before=3", 422, "invalid-parameter"),
        ("GET", "/versions?limt=1", 422, "invalid-parameter"),
        ("GET", "/versions?cursor=x", 422, "invalid-parameter"),
        ("GET", "/versions?cursor=WzEsIjAiLFtdXQ", 422, "invalid-parameter"),
        ("GET", "/versions?since=yesterday", 422, "invalid-parameter"),
        ("GET", "/versions?since=2026-03-01T00:00:00", 422, "invalid-parameter"),
        ("GET", "/alerts?status=%00", 422, "invalid-parameter"),
        ("GET", "/drift-reports?verdict=drift", 422, "invalid-parameter"),
    ],
)
def test_every_error_is_a_problem_document(
    console: RunningConsole, method: str, path: str, status: int, name: str
) -> None:
    answer = console.get(path, method=method)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    problem = answer.json()
    assert (problem["status"], problem["type"]) == (status, f"urn:pmmds:problem:{name}")
    assert problem["detail"].endswith(".")
    assert bool(problem.get("errors")) is (status == 422)


def test_an_unknown_parameter_error_suggests_the_nearest_name(console: RunningConsole) -> None:
    (error,) = console.get("/versions?limt=1").json()["errors"]
    assert error == {"parameter": "limt", "problem": "is unknown; did you mean limit?"}


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}],
    ids=["host", "origin", "fetch site"],
)
def test_pages_from_another_origin_are_rejected(console: RunningConsole, headers: dict[str, str]) -> None:
    answer = console.get("/versions", headers)
    assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")


def test_the_openapi_document_describes_every_response(console: RunningConsole) -> None:
    document = console.get("/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    paths = {
        path.removeprefix("/api/v1/monitoring"): item["get"]
        for path, item in document["paths"].items()
        if "get" in item
    }
    requests = {
        "/features/{feature}/series": "/features/tenure/series",
        "/versions/{model_version}": "/versions/1",
        "/drift-reports/{report_id}": "/drift-reports/1",
        "/alerts/{alert_id}": "/alerts/1",
        "/decisions/{decision_id}": f"/decisions/{only_item(console, '/decisions')['decision_id']}",
        "/predictions/{request_id}": "/predictions/row-3",
    }
    for path, operation in paths.items():
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        validator = jsonschema_rs.Draft202012Validator({**schema, "components": document["components"]})
        answer = console.get(requests.get(path, path))
        assert answer.status_code == 200, path
        validator.validate(answer.json())


def test_the_startup_log_warns_about_open_access(console: RunningConsole) -> None:
    assert "open without a token to every user of this machine" in console.output
    assert '"access":"open without a token' in console.output
    assert "Traceback" not in console.output


def test_livez_reveals_no_details(console: RunningConsole) -> None:
    assert httpx.get(f"{console.url}/livez", timeout=60, trust_env=False).json() == {"status": "alive"}


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/alerts?status=opne", "open, acknowledged, resolved"),
        ("/drift-reports?verdict=Drifted", "stable, drifted, insufficient_data"),
        ("/decisions?kind=x", "promotion, rollback, manual"),
        ("/decisions?state=done", "pending_approval, judged, moving, recorded, rejected, aborted"),
        ("/audit-events?outcome=ok", "done, refused, failed"),
    ],
)
def test_an_unknown_word_of_a_filter_is_no_empty_list(console: RunningConsole, path: str, words: str) -> None:
    answer = console.get(path)
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"parameter": path.partition("?")[2].partition("=")[0], "problem": f"expected one of {words}"}
    ]
