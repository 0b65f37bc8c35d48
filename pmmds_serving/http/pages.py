"""Pages for people: the front page and the API documentation. Both work without the internet.

The documentation is Swagger UI, whose files BentoML ships. Keep out: what the API is (openapi.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import msgspec
from jinja2 import Template

from pmmds_core.contracts.contract import Contract
from pmmds_core.errors import PmmdsError
from pmmds_core.runtime.html_templates import html_environment

if TYPE_CHECKING:
    from pmmds_serving.worker import Worker

_ASSETS = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui-standalone-preset.js": "text/javascript",
}


def front_page(worker: Worker, *, with_problems: bool) -> str:
    """What this service is, what answers now, how much is asked, and how to ask it. Reads the database.

    Args:
        worker: the worker that answers.
        with_problems: False: the text of a problem, which names hosts, is left out.
    """
    model = worker.follower.model
    settings = worker.deployment.settings
    base = f"http://{settings.http_host}:{settings.http_port}"
    return _template("front_page.html").render(
        contract=worker.deployment.contract,
        model=model,
        workers=worker.cache.live_workers(),
        metrics=model.bundle.manifest.metrics if model else {},
        activity=_activity(worker, with_problems),
        backlog_bytes=worker.spool.backlog_bytes,
        curl=curl_example(worker.deployment.contract, base),
        dagster=f"http://{settings.dagster_host}:{settings.dagster_port}/",
        mlflow=f"http://{settings.mlflow_host}:{settings.mlflow_port}/",
    )


@dataclass(frozen=True)
class Activity:
    """Predictions that all workers answered and logged lately; `problem` when the database does not tell."""

    last_minute: int = 0
    last_hour: int = 0
    problem: str = ""


def _activity(worker: Worker, with_problems: bool) -> Activity:
    now = datetime.now(UTC)
    try:
        log = worker.deployment.prediction_log
        return Activity(log.count(start=now - timedelta(minutes=1)), log.count(start=now - timedelta(hours=1)))
    except PmmdsError as error:
        return Activity(problem=error.message if with_problems else "The database does not answer.")


def curl_example(contract: Contract, base: str) -> str:
    """A command that can be pasted into a shell: the contract's example row."""
    body = msgspec.json.format(msgspec.json.encode({"features": contract.example()}), indent=2).decode()
    quoted = body.replace("'", "'\\''")
    return f"curl -s {base}/api/v1/predict -H 'Content-Type: application/json' -d '{quoted}'"


def docs_page() -> str:
    """Swagger UI on /openapi.json."""
    return _template("docs.html").render()


@cache
def docs_asset(name: str) -> tuple[bytes, str] | None:
    """A file of Swagger UI and its media type; None when there is no such file."""
    if name not in _ASSETS:
        return None
    file = resources.files("bentoml._internal.server").joinpath("static_content", name)
    return file.read_bytes(), _ASSETS[name]


@cache
def _template(name: str) -> Template:
    return html_environment("pmmds_serving.http").get_template(name)
