"""The `pmmds celery-worker` command, which starts a Celery worker for Dagster steps and runs.

Not here: the Celery application (pmmds_assets/executors.py).
"""

from __future__ import annotations

from typing import Annotated

import typer

from pmmds_cli.output.console import say

QUEUE = "dagster"


def register(app: typer.Typer) -> None:
    app.command("celery-worker", epilog="Example: pmmds celery-worker --concurrency 2")(celery_worker)


def celery_worker(
    concurrency: Annotated[int, typer.Option("--concurrency", min=1, help="Number of concurrent steps.")] = 1,
    queue: Annotated[str, typer.Option("--queue", help="Celery queue (tag dagster-celery/queue).")] = QUEUE,
) -> None:
    """Run a Celery worker for Dagster in the foreground. Ctrl-C and SIGTERM stop it after the current step."""
    from pmmds_assets.executors import celery_app, check_broker, require_celery
    from pmmds_cli.client.job_runner import shared_instance
    from pmmds_core.config.settings import load_settings
    from pmmds_core.config.values import without_password
    from pmmds_core.deployment import Deployment

    settings = load_settings()
    require_celery()
    check_broker(settings.celery_broker_url)
    Deployment(settings).prepare()
    shared_instance(settings).dispose()
    say(f"Waiting for steps from {without_password(settings.celery_broker_url)} - Ctrl-C stops.")
    app = celery_app(settings.celery_broker_url)
    app.worker_main(["worker", "-Q", queue, "--concurrency", str(concurrency), "--loglevel", settings.log_level])
