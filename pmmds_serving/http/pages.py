"""HTML pages: the front page and the API documentation. Both work offline.

The documentation is Swagger UI, whose files BentoML ships. Not here: the API description (openapi.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

import msgspec
from jinja2 import Template

from pmmds_core.config.urls import client_url
from pmmds_core.contracts.contract import Contract
from pmmds_core.errors import PmmdsError
from pmmds_core.runtime.html_templates import html_environment
from pmmds_serving.private_apis.bentoml_files import static_file

if TYPE_CHECKING:
    from pmmds_serving.worker import Worker

_ASSETS = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui-standalone-preset.js": "text/javascript",
}


def front_page(worker: Worker, *, with_problems: bool) -> str:
    """Render the front page: the service, its model, recent traffic and an example request. Reads the database.

    Args:
        worker: the worker that renders the page.
        with_problems: False omits the text of problems, which may contain host names.
    """
    model = worker.follower.model
    settings = worker.deployment.settings
    base = client_url(settings.http_host, settings.http_port)
    return _template("front_page.html").render(
        contract=worker.deployment.contract,
        model=model,
        workers=worker.cache.live_workers(),
        metrics=model.bundle.manifest.metrics if model else {},
        activity=_activity(worker, with_problems),
        backlog_bytes=worker.spool.backlog_bytes,
        curl=curl_example(worker.deployment.contract, base),
        dagster=client_url(settings.dagster_host, settings.dagster_port, "/"),
        mlflow=client_url(settings.mlflow_host, settings.mlflow_port, "/"),
    )


@dataclass(frozen=True)
class Activity:
    """Recently logged predictions of all workers; `problem` is set if the database cannot be read."""

    last_minute: int = 0
    last_hour: int = 0
    problem: str = ""


def _activity(worker: Worker, with_problems: bool) -> Activity:
    now = datetime.now(UTC)
    try:
        log = worker.deployment.prediction_log
        return Activity(log.count(start=now - timedelta(minutes=1)), log.count(start=now - timedelta(hours=1)))
    except PmmdsError as error:
        return Activity(problem=error.message if with_problems else "The database did not respond.")


def curl_example(contract: Contract, base: str) -> str:
    """Return a shell command that requests a prediction for the contract's example row."""
    body = msgspec.json.format(msgspec.json.encode({"features": contract.example()}), indent=2).decode()
    quoted = body.replace("'", "'\\''")
    return f"curl -s {base}/api/v1/predict -H 'Content-Type: application/json' -d '{quoted}'"


def docs_page() -> str:
    """Return the Swagger UI page for /openapi.json."""
    return _template("docs.html").render()


@cache
def docs_asset(name: str) -> tuple[bytes, str] | None:
    """Return content and media type of a Swagger UI file; None if the file does not exist."""
    if name not in _ASSETS:
        return None
    return static_file(name), _ASSETS[name]


@cache
def _template(name: str) -> Template:
    return html_environment("pmmds_serving.http").get_template(name)
