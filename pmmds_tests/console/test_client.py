"""The Python client works with a real console, and handles failing servers."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
import pytest

import pmmds
from pmmds.errors import InvalidCallError, NotAllowedError, NotFoundError, ResponseError, UnavailableError
from pmmds.resources import DriftReport, Feature
from pmmds.rows import Rows
from pmmds_core.deployment import Deployment
from pmmds_tests.console.scripted_server import server_of
from pmmds_tests.harness.console_process import RunningConsole

pytestmark = pytest.mark.process
EMPTY = b'{"items": [], "next": null}'
PROBLEM = b'{"type": "urn:pmmds:problem:%s", "title": "x", "status": %d, "detail": "A reason."}'


def test_lists_are_typed_and_convert_to_data_frames(console: RunningConsole, monitored: Deployment) -> None:
    with pmmds.connect(console.url) as monitoring:
        (report,) = monitored.drift.recent()
        reports = monitoring.reports(since="2026-01-01")
        assert isinstance(reports[0], DriftReport)
        assert reports[0].window_end == report.window_end
        frame = reports.to_pandas()
        assert frame["window_end"].tolist() == [pd.Timestamp(report.window_end)]
        assert str(frame["created_at"].dtype) == "datetime64[ns, UTC]"
        psi = {f["feature"]: f["psi"] for f in report.document["features"]}
        assert monitoring.features().to_pandas().set_index("feature")["psi"].to_dict() == pytest.approx(psi)
        assert monitoring.series("tenure").to_pandas()["psi"].tolist() == pytest.approx([psi["tenure"]])


def test_performance_has_a_row_for_each_metric(console: RunningConsole, monitored: Deployment) -> None:
    with pmmds.connect(console.url) as monitoring:
        frame = monitoring.performance().to_pandas()
    (stored,) = monitored.daily_performance.results(datetime(2026, 1, 1, tzinfo=UTC))
    realized = frame[frame["source"] == "realized"].set_index("metric")["value"].to_dict()
    assert realized == {name: values["value"] for name, values in stored.document["realized"].items()}
    assert str(frame["day"].dtype) == "datetime64[ns]"


def test_single_resources_are_typed(console: RunningConsole, monitored: Deployment) -> None:
    (alert,), (decision,) = monitored.alerts.recent(), monitored.decisions.recent()
    with pmmds.connect(console.url + "/") as monitoring:
        assert monitoring.report(alert.report_id).document["verdict"] == "drifted"
        assert monitoring.alert(alert.alert_id).opened_at == alert.opened_at
        assert monitoring.decision(decision.decision_id).document["criteria"]
        assert monitoring.version("1").decisions[0].decision_id == decision.decision_id
        assert monitoring.prediction("row-3").explanation is not None
        assert [len(rows) for rows in (monitoring.versions(), monitoring.decisions(), monitoring.alerts())] == [1, 1, 1]


def test_an_empty_list_converts_to_a_data_frame_with_columns(console: RunningConsole) -> None:
    with pmmds.connect(console.url) as monitoring:
        frame = monitoring.alerts(status="resolved").to_pandas()
    assert frame.empty
    assert str(frame["opened_at"].dtype) == "datetime64[ns, UTC]"
    assert {"alert_id", "severity", "message"} <= set(frame.columns)


def test_each_error_has_a_class_and_one_sentence(console: RunningConsole) -> None:
    with pmmds.connect(console.url) as monitoring:
        with pytest.raises(NotFoundError, match="no drift report 99"):
            monitoring.report(99)
        with pytest.raises(NotFoundError):
            monitoring.series("a/b?c#d")
        with pytest.raises(InvalidCallError, match="since='soon' is not a valid time"):
            monitoring.reports(since="soon")
        with pytest.raises(InvalidCallError, match="limit"):
            monitoring.reports(limit=0)


def test_notebook_tables_escape_values() -> None:
    alert = Feature(feature="<script>", kind="numeric", psi=0.25, band="major", is_drifted=True, report_id=1)
    shown = Rows("Features", Feature, [alert])._repr_html_()
    assert "&lt;script&gt;" in shown
    assert "<script>" not in shown


def test_a_request_is_retried_after_a_503() -> None:
    away = (503, PROBLEM % (b"unavailable", 503), {"Retry-After": "0"})
    with server_of(away, away, (200, EMPTY, {})) as (url, asked), pmmds.connect(url, retries=2) as monitoring:
        assert len(monitoring.versions()) == 0
        assert len(asked) == 3


def test_the_last_retry_raises_the_reason() -> None:
    with server_of((503, PROBLEM % (b"unavailable", 503), {"Retry-After": "0"})) as (url, asked):
        with pmmds.connect(url, retries=2) as monitoring, pytest.raises(UnavailableError, match="A reason"):
            monitoring.versions()
        assert len(asked) == 3
    with pmmds.connect(url, retries=0) as monitoring, pytest.raises(UnavailableError, match="pmmds console"):
        monitoring.versions()


def test_other_errors_are_not_retried() -> None:
    for status, kind in ((401, NotAllowedError), (403, NotAllowedError), (500, ResponseError), (302, ResponseError)):
        with server_of((status, b"<html>", {"Location": "http://evil.example/"})) as (url, asked):
            with pmmds.connect(url) as monitoring, pytest.raises(kind) as raised:
                monitoring.versions()
            assert len(asked) == 1
            assert isinstance(raised.value, ResponseError)
            assert raised.value.status == status


@pytest.mark.parametrize("following", ["http://evil.example/?cursor=1", "//evil.example/", "/other?cursor=1"])
def test_the_token_is_sent_to_no_other_address(following: str) -> None:
    body = b'{"items": [], "next": "%s"}' % following.encode()
    with server_of((200, body, {})) as (url, asked):
        with pmmds.connect(url, "token") as monitoring, pytest.raises(ResponseError):
            monitoring.versions()
        assert len(asked) == 1


def test_a_server_that_is_not_a_console_is_detected() -> None:
    with server_of((200, b"<html>", {})) as (url, _):
        monitoring = pmmds.connect(url)
        with monitoring, pytest.raises(ResponseError, match="did not send a valid response"):
            monitoring.versions()


INVALID = ["127.0.0.1:8010", "ftp://host", "http://", "http://host/?x=1", "http://[::1", "http://host:99999"]


@pytest.mark.parametrize("url", [*INVALID, "http://host:x", "http://a..b", "http://\u00e4..b", "http://host\n", "None"])
def test_an_invalid_address_is_rejected(url: str) -> None:
    with pytest.raises(InvalidCallError, match="not the address of a console"):
        pmmds.connect(url)


def test_the_client_does_not_reveal_its_token() -> None:
    with pmmds.connect("http://127.0.0.1:1", "secret-token") as monitoring:
        assert "secret-token" not in repr(monitoring)


@pytest.mark.parametrize("token", ["t\u00f6ken", "two\nlines", "nul\0"])
def test_a_token_that_cannot_be_sent_is_rejected(token: str) -> None:
    with pytest.raises(InvalidCallError, match="characters that no API token has"):
        pmmds.connect("http://127.0.0.1:1", token)


def test_the_client_does_not_reveal_the_password_of_a_proxy() -> None:
    with pmmds.connect("http://ada:geheim@127.0.0.1:1", retries=0) as monitoring:
        with pytest.raises(UnavailableError) as raised:
            monitoring.me()
        assert "geheim" not in repr(monitoring) + str(raised.value)


def test_the_password_of_a_proxy_is_sent_instead_of_a_token() -> None:
    body = b'{"name": "ada", "role": "viewer", "method": "proxy", "form_token": ""}'
    with server_of((200, body, {})) as (url, asked):
        with pmmds.connect(url.replace("://", "://ada:geheim@")) as monitoring:
            assert monitoring.me().name == "ada"
        assert len(asked) == 1
    with pytest.raises(InvalidCallError, match="cannot be sent together"):
        pmmds.connect("http://ada:geheim@127.0.0.1:1", "pmmds_token")


@pytest.mark.parametrize("since", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:00:00-10:00", "2026-13-01", ""])
def test_a_time_that_is_not_valid_in_utc_is_rejected(since: str) -> None:
    with pmmds.connect("http://127.0.0.1:1", retries=0) as monitoring, pytest.raises(InvalidCallError, match="since="):
        monitoring.versions(since=since)
