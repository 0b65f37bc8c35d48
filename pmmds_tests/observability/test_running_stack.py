"""On a running stack, every metric in rules and dashboards exists, and every panel query returns numbers."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from pmmds_core.contracts.contract import Contract
from pmmds_core.stores.lifecycle.status import read_loop_state
from pmmds_tests.harness.prometheus import Prometheus, wait_for_numbers
from pmmds_tests.harness.service_process import RunningService, wait_until
from pmmds_tests.observability.conftest import send_all_kinds_of_requests
from pmmds_tests.observability.deployed import TARGET_LABELS, groupings_of, metrics_of, panel_queries, rules

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("watched")]


@pytest.fixture
def traffic(watched_service: RunningService, contract: Contract) -> Iterator[None]:
    """Send requests of all kinds ten times per second during the test."""
    done = threading.Event()

    def ask() -> None:
        while not done.wait(0.1):
            send_all_kinds_of_requests(watched_service, contract)

    thread = threading.Thread(target=ask)
    thread.start()
    yield
    done.set()
    thread.join()


def exposed(service: RunningService) -> dict[str, set[str]]:
    """Return the labels of each sample name."""
    found: dict[str, set[str]] = {"up": set()}
    for family in service.client.get("/metrics/json").json().values():
        for sample in family["samples"]:
            found.setdefault(sample["name"], set()).update(sample["labels"])
    return found


def test_metrics_and_labels_in_rules_and_dashboards_are_exposed(
    watched_service: RunningService, contract: Contract
) -> None:
    send_all_kinds_of_requests(watched_service, contract)
    samples = exposed(watched_service)
    expressions = [*panel_queries(), *(str(rule["expr"]) for rule in rules())]
    for expression in expressions:
        named = metrics_of(expression)
        assert named, expression
        for metric, labels in named.items():
            assert metric in samples, f"{metric} of {expression}"
            assert labels <= samples[metric] | TARGET_LABELS, f"{metric} of {expression}"
        labels_there = set().union(*(samples[metric] for metric in named))
        assert groupings_of(expression) <= labels_there | TARGET_LABELS, expression


def test_every_panel_query_returns_numbers(prometheus: Prometheus, traffic: None) -> None:
    assert wait_for_numbers(prometheus, panel_queries()) == []


def test_every_rule_evaluates_and_only_the_drift_alert_fires(prometheus: Prometheus, traffic: None) -> None:
    def all_evaluated() -> bool:
        return all(rule["health"] == "ok" for rule in prometheus.rules())

    wait_until(all_evaluated)
    assert len(prometheus.rules()) == len(rules())

    def firing() -> set[str]:
        return {rule["name"] for rule in prometheus.rules() if rule["state"] == "firing"}

    wait_until(lambda: "PmmdsDriftAlertOpen" in firing())
    assert firing() == {"PmmdsDriftAlertOpen"}


def test_metrics_match_the_history_of_the_stack(prometheus: Prometheus, watched_service: RunningService) -> None:
    def value(expression: str) -> float:
        wait_until(lambda: prometheus.has_numbers(expression))  # a slow scrape leaves a gap in the data
        return prometheus.value(expression)

    assert value('max(pmmds_promotions_total{to_version="1"})') == 1
    assert value('max(pmmds_retraining_runs_total{outcome="blocked_no_labels"})') == 1
    assert value('sum(max by (severity) (pmmds_drift_alerts{status="open"}))') == 1
    assert value("sum(max by (severity) (pmmds_drift_events_total))") == 1
    deployment = watched_service.deployment()
    report = deployment.drift.latest()
    assert report is not None
    worst = max(feature["psi"] or 0.0 for feature in report.document["features"])
    assert value("max(pmmds_drift_psi)") == pytest.approx(worst)
    state = read_loop_state(deployment.database, deployment.model_name)
    assert state.trained_at is not None
    assert state.promoted_at is not None
    timestamps = [value(f"max(pmmds_model_{what}_timestamp_seconds)") for what in ("trained", "promoted")]
    assert timestamps == pytest.approx([state.trained_at.timestamp(), state.promoted_at.timestamp()], abs=1e-3)
    assert timestamps[0] < timestamps[1]
    assert value("time() - max(pmmds_model_promoted_timestamp_seconds)") > 0
