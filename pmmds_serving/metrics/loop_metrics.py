"""The metrics of drift, retraining and promotion, which are read from the database at each scrape.

All replicas export the same numbers, so queries must take the `max` over replicas, never the sum. Labels come from
closed lists or the contract. Not here: counters of the service (counters.py), queries (pmmds_core.stores).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pmmds_core.drift.comparison import Band
from pmmds_core.errors import PmmdsError, SchemaOutdatedError
from pmmds_core.stores.database.schema import schema_status
from pmmds_core.stores.lifecycle.alerts import ACKNOWLEDGED, OPEN
from pmmds_core.stores.lifecycle.outbox_status import ChannelStatus
from pmmds_core.stores.lifecycle.status import LoopState, read_loop_state

if TYPE_CHECKING:
    from prometheus_client import Metric

    from pmmds_core.deployment import Deployment

_SEVERITIES = (Band.MODERATE, Band.SIGNIFICANT, Band.MAJOR)


class LoopTotals:
    """The totals and the current state, as read from the database.

    Reading them raises StoreError if the database cannot be read.
    """

    def __init__(self, deployment: Deployment) -> None:
        self.model_name = deployment.model_name
        self.drift_events = deployment.alerts.event_totals()
        self.drift_checks = {(name,): n for name, n in deployment.drift.check_totals().items()}
        self.retraining_runs = deployment.retrainings.totals()
        self.promotions = deployment.decisions.promotion_totals()
        self.is_schema_current = schema_status(deployment.database, deployment.contract).is_current
        self.state: LoopState = read_loop_state(deployment.database, deployment.model_name)


def loop_families(deployment: Deployment) -> list[Metric]:
    """Return all metric families.

    If the database cannot be read, they are omitted rather than zero. `pmmds_database_up` is always present, and
    `pmmds_schema_ok` only while the database is available.
    """
    try:
        totals = LoopTotals(deployment)
    except SchemaOutdatedError:
        return [_up(is_up=True), _schema_ok(is_ok=False)]
    except PmmdsError:
        return [_up(is_up=False)]
    return [*_counters(totals), *_gauges(totals), _up(is_up=True), _schema_ok(is_ok=totals.is_schema_current)]


def gauge(name: str, meaning: str, value: float) -> Metric:
    """Return a gauge without labels."""
    from prometheus_client.core import GaugeMetricFamily

    return GaugeMetricFamily(name, meaning, value=value)


def labeled_gauge(name: str, meaning: str, labels: list[str], values: Mapping[Any, float]) -> Metric:
    """Return a gauge with one line per tuple of labels."""
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(name, meaning, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric([str(part) for part in key], value)
    return family


def _up(*, is_up: bool) -> Metric:
    return gauge("pmmds_database_up", "1 while the database is available", float(is_up))


def _schema_ok(*, is_ok: bool) -> Metric:
    return gauge("pmmds_schema_ok", "1 while the database schema matches this version", float(is_ok))


def _counters(totals: LoopTotals) -> Iterator[Metric]:
    families: tuple[tuple[str, str, list[str], Mapping[Any, int]], ...] = (
        ("pmmds_drift_events", "Drift alerts raised", ["drift_type", "severity"], totals.drift_events),
        ("pmmds_drift_checks", "Windows checked for drift", ["model_name"], totals.drift_checks),
        ("pmmds_retraining_runs", "Finished retrainings", ["trigger_type", "outcome"], totals.retraining_runs),
        (
            "pmmds_promotions",
            "Number of times the production alias was moved",
            ["from_version", "to_version"],
            totals.promotions,
        ),
    )
    from prometheus_client.core import CounterMetricFamily

    for name, meaning, labels, counts in families:
        family = CounterMetricFamily(name, meaning, labels=labels)
        for values, n in sorted(counts.items()):
            family.add_metric([str(v) for v in values], n)
        yield family


def _gauges(totals: LoopTotals) -> Iterator[Metric]:
    state, model = totals.state, (totals.model_name,)
    none_live = {(status, str(severity)): 0 for status in (OPEN, ACKNOWLEDGED) for severity in _SEVERITIES}
    live = {(*model, *key): float(n) for key, n in {**none_live, **state.live_alerts}.items()}
    yield labeled_gauge(
        "pmmds_drift_alerts", "Drift alerts that are not resolved", ["model_name", "status", "severity"], live
    )
    psi = {(*model, feature): value for feature, value in state.psi.items()}
    yield labeled_gauge("pmmds_drift_psi", "PSI of the newest drift report", ["model_name", "feature"], psi)
    timestamps = (
        ("pmmds_drift_last_report_timestamp_seconds", "Time of the newest drift report", state.reported_at),
        ("pmmds_model_promoted_timestamp_seconds", "Time the production version was promoted", state.promoted_at),
        ("pmmds_model_trained_timestamp_seconds", "Time the production version was trained", state.trained_at),
    )
    for name, meaning, timestamp in timestamps:
        yield labeled_gauge(name, meaning, ["model_name"], _seconds(model, timestamp))
    waiting = (
        ("pmmds_promotions_pending_approval", "Promotions pending approval", state.n_pending_approval),
        ("pmmds_promotions_unfinished", "Promotions pending the alias update", state.n_unfinished),
    )
    sizes = {(kind,): float(n_bytes) for kind, n_bytes in state.storage_bytes.items()}
    yield labeled_gauge("pmmds_storage_bytes", "Bytes of stored data, measured nightly", ["kind"], sizes)
    for name, meaning, n in waiting:
        yield labeled_gauge(name, meaning, ["model_name"], {model: float(n)})
    yield from _outbox_gauges(state.outbox)


def _outbox_gauges(outbox: Mapping[str, ChannelStatus]) -> Iterator[Metric]:
    waiting = {(channel,): float(status.n_waiting) for channel, status in outbox.items()}
    oldest = {(channel,): status.oldest_seconds for channel, status in outbox.items()}
    given_up = {(channel,): float(status.n_given_up) for channel, status in outbox.items()}
    yield labeled_gauge("pmmds_outbox_waiting", "Messages that will be sent", ["channel"], waiting)
    yield labeled_gauge("pmmds_outbox_oldest_seconds", "Age of the oldest waiting message", ["channel"], oldest)
    yield labeled_gauge("pmmds_outbox_given_up", "Messages that will not be sent again", ["channel"], given_up)


def _seconds(key: tuple[str], timestamp: datetime | None) -> dict[tuple[str], float]:
    return {} if timestamp is None else {key: timestamp.timestamp()}
