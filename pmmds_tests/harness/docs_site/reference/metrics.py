"""The page of the service's Prometheus metrics."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

from pmmds_core.config.settings import Settings
from pmmds_core.deployment import Deployment
from pmmds_serving.http.service_gauges import state_families
from pmmds_serving.metrics.loop_metrics import loop_families
from pmmds_serving.worker import build_worker
from pmmds_tests.harness.docs_site.reference.markdown import code, page, table

if TYPE_CHECKING:
    from prometheus_client import Metric


def metrics_page() -> str:
    rows = sorted((code(metric_name(f)), f.type, f.documentation) for f in metric_families())
    return page("Metrics", "the service's collectors", table(("metric", "type", "description"), rows))


def metric_name(family: Metric) -> str:
    """The name as in /metrics: counters end in `_total`."""
    return f"{family.name}_total" if family.type == "counter" else str(family.name)


def metric_families() -> list[Metric]:
    """The metrics of a worker with an empty home that has not started, as in /metrics."""
    with tempfile.TemporaryDirectory() as home:
        worker = build_worker(Deployment(Settings(home=home, shadow="on")))
        families = [*worker.metrics.collect(), *state_families(worker), *loop_families(worker.deployment)]
        worker.spool.close()
        worker.deployment.database.engine.dispose()
    return families
