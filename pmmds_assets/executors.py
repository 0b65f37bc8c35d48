"""Step executors: in the run's process, in child processes, or on Celery workers.

Add an executor here and to PMMDS_DAGSTER_EXECUTOR. Not here: where runs start (run_launcher in dagster.yaml).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

from pmmds_core.config.settings import Settings
from pmmds_core.config.values import without_password
from pmmds_core.errors import ServiceUnavailableError, SettingError

if TYPE_CHECKING:
    from celery import Celery

# Report an unreachable broker within seconds. By default, the libraries retry for minutes.
ANSWER_SECONDS = 5.0


def step_executor(settings: Settings) -> dg.ExecutorDefinition:
    """Return the executor for jobs that are launched from the UI, by a schedule or by a sensor.

    The default is in_process, because on one machine a process per step takes seconds longer and has no benefit.

    Raises:
        SettingError: PMMDS_DAGSTER_EXECUTOR needs a library that is not installed.
    """
    if settings.dagster_executor == "in_process":
        return dg.in_process_executor
    if settings.dagster_executor == "multiprocess":
        return dg.multiprocess_executor
    require_celery()
    return _celery_executor(settings.celery_broker_url)


def require_celery() -> None:
    """Raise SettingError if dagster-celery is not installed."""
    try:
        import dagster_celery  # noqa: F401
    except ModuleNotFoundError as error:
        raise SettingError(
            f"The Celery executor requires dagster-celery, but {error.name} is not installed.",
            next_step="Install PMMDS with the extra `celery`, or set PMMDS_DAGSTER_EXECUTOR=in_process.",
        ) from None


def celery_arguments(broker: str) -> dict[str, Any]:
    """Return the arguments that the executor and the workers share.

    Results are stored in RabbitMQ's queues or in Redis.
    """
    is_amqp = broker.partition("://")[0].endswith(("amqp", "amqps"))
    return {"broker": broker, "backend": "rpc://" if is_amqp else broker, "config_source": dict(_PATIENCE)}


def celery_app(broker: str) -> Celery:
    """Return the worker's application, which runs single steps, or whole runs for dagster-celery's run launcher."""
    from dagster_celery.config import dict_wrapper
    from dagster_celery.make_app import make_app
    from dagster_celery.tasks import create_execute_job_task, create_resume_job_task, create_task

    arguments = celery_arguments(broker)
    app = make_app({**arguments, "config_source": dict_wrapper(arguments["config_source"])})
    for add in (create_task, create_execute_job_task, create_resume_job_task):
        add(app)
    return app


def check_broker(broker: str) -> None:
    """Raise ServiceUnavailableError if the broker does not respond within ANSWER_SECONDS."""
    from kombu import Connection

    try:
        with Connection(broker, connect_timeout=ANSWER_SECONDS, transport_options=_TRANSPORT) as connection:
            connection.connect()
    except connection.recoverable_connection_errors as error:
        raise ServiceUnavailableError(
            f"The Celery broker at {without_password(broker)} cannot be reached: {error}.",
            next_step="Start the broker or set PMMDS_CELERY_BROKER_URL, then launch the run again.",
        ) from None


def _celery_executor(broker: str) -> dg.ExecutorDefinition:
    """Return dagster-celery's executor. The broker URL is kept out of the run configuration, which the UI shows."""
    from dagster_celery.executor import CELERY_CONFIG, celery_executor

    @dg.executor(
        name="celery",
        config_schema={"retries": CELERY_CONFIG["retries"]},
        requirements=dg.multiple_process_executor_requirements(),
    )
    def celery(context: dg.InitExecutorContext) -> dg.Executor:
        check_broker(broker)
        config: Mapping[str, Any] = {**context.executor_config, **celery_arguments(broker)}
        make: Any = celery_executor.executor_creation_fn
        made: dg.Executor = make(context._replace(executor_config=config))
        return made

    return celery


_TRANSPORT = {"socket_connect_timeout": ANSWER_SECONDS, "socket_timeout": ANSWER_SECONDS}
_PATIENCE = {
    "broker_connection_timeout": ANSWER_SECONDS,
    "broker_connection_retry_on_startup": True,
    "redis_socket_connect_timeout": ANSWER_SECONDS,
    "result_backend_transport_options": {"retry_policy": {"timeout": ANSWER_SECONDS}},
    "worker_prefetch_multiplier": 1,
}
