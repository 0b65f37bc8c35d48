"""Runs a Dagster job in this process and records it on the shared instance, so that the UI shows it.

Not here: how a command prints the outcome (commands/).
"""

from __future__ import annotations

import io
import os
import sys
import threading
import traceback
import uuid
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, redirect_stderr
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import SQLAlchemyError

from pmmds_cli.output.console import say
from pmmds_cli.output.progress import ProgressBar, progress
from pmmds_core.config.settings import Settings
from pmmds_core.errors import PmmdsError
from pmmds_core.stores.database.reachability import check_dagster_database

if TYPE_CHECKING:
    import dagster as dg

_SOURCE_TAGS = {"pmmds/source": "cli"}
_PROGRESS_SECONDS = 1.0


class JobFailedError(PmmdsError):
    """A job's step failed.

    The message is the step's error message, and `details` is the step's traceback for --debug.
    """

    def __init__(self, message: str, details: str) -> None:
        super().__init__(message)
        self.details = details


@dataclass(frozen=True)
class JobOutcome:
    """The outcome of a finished run. `metadata` holds each materialized asset's metadata as plain values."""

    run_id: str
    metadata: Mapping[str, Mapping[str, Any]]
    failed_checks: tuple[str, ...] = field(default=())


def run_job(
    name: str, settings: Settings, *, ops: Mapping[str, Any] | None = None, tags: Mapping[str, str] | None = None
) -> JobOutcome:
    """Run a job and wait until it finishes.

    Args:
        name: the name of the job.
        settings: the settings of the deployment, whose home contains DAGSTER_HOME.
        ops: the run configuration of each asset, such as `{"reference_data": {"config": {...}}}`.
        tags: the run's tags.

    Raises:
        JobFailedError: a step failed, or Dagster could not store its records.
    """
    run_config = {"ops": dict(ops or {}), "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    try:
        result = _execute(name, settings, run_config, {**_SOURCE_TAGS, **(tags or {})})
    except (OSError, SQLAlchemyError) as error:
        raise _records_failure(settings, error) from error
    if not result.success:
        raise _failure(result)
    return JobOutcome(result.run_id, _metadata(result), _failed_checks(result))


def _execute(name: str, settings: Settings, run_config: Mapping[str, Any], tags: Mapping[str, str]) -> Any:
    instance = shared_instance(settings)
    with _quiet_about_beta():
        from pmmds_assets.single_job import single_job

        job = single_job(name)
    run_id, dagster_output = str(uuid.uuid4()), io.StringIO()
    try:
        # Dagster prints a traceback for each record that it cannot store.
        with (
            _training_lock(job, settings, run_id),
            _progress(instance, run_id, job, json="--json" in sys.argv),
            redirect_stderr(dagster_output),
        ):
            return job.execute_in_process(
                instance=instance, run_config=run_config, tags=tags, raise_on_error=False, run_id=run_id
            )
    finally:
        if "--debug" in sys.argv:
            sys.stderr.write(dagster_output.getvalue())


def _training_lock(job: dg.JobDefinition, settings: Settings, run_id: str) -> AbstractContextManager[None]:
    """Return the training lock. A launched run's executor acquires it, but `execute_in_process` does not."""
    from pmmds_assets.training_runs import training_lock_of
    from pmmds_core.deployment import Deployment

    return training_lock_of(lambda: Deployment(settings), [node.name for node in job.nodes], run_id, say)


def _records_failure(settings: Settings, error: Exception) -> JobFailedError:
    folder = "its PostgreSQL" if settings.dagster_database_url else settings.home_path / "dagster"
    cause = str(getattr(error, "orig", error)).splitlines()[0]
    return JobFailedError(
        f"Dagster could not store its records in {folder}: {cause}. "
        "Free disk space or fix the access rights, then run the command again.",
        traceback.format_exc(),
    )


def shared_instance(settings: Settings) -> dg.DagsterInstance:
    """Open this deployment's Dagster instance, which the web server and the daemon also use."""
    from pmmds_assets.instance.dagster_home import dagster_variables

    check_dagster_database(settings)
    os.environ.update(dagster_variables(settings))
    with _quiet_about_beta():
        from pmmds_assets.instance.storage import open_instance

        return open_instance(settings)


@contextmanager
def _quiet_about_beta() -> Iterator[None]:
    """Hide Dagster's beta warnings, which are meant for asset authors."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*currently in beta")
        yield


@contextmanager
def _progress(instance: dg.DagsterInstance, run_id: str, job: dg.JobDefinition, *, json: bool) -> Iterator[None]:
    """Print the name of each asset when its step ends, above a progress bar if there is a terminal."""
    done = threading.Event()
    with progress(job.name, json=json) as bar:
        bar(0, len(job.nodes))
        printer = threading.Thread(target=_print_steps, args=(instance, run_id, done, bar, len(job.nodes)), daemon=True)
        printer.start()
        try:
            yield
        finally:
            done.set()
            printer.join()


def _print_steps(
    instance: dg.DagsterInstance, run_id: str, done: threading.Event, bar: ProgressBar, n_steps: int
) -> None:
    cursor: str | None = None
    is_last, n_done = False, 0
    while not is_last:
        is_last = done.wait(_PROGRESS_SECONDS)  # Poll once more after the run to print the last steps.
        try:
            page = instance.get_records_for_run(run_id, cursor=cursor)
        except SQLAlchemyError:
            return  # The same error also fails the run, which reports the error.
        cursor = page.cursor
        for record in page.records:
            event = record.event_log_entry.dagster_event
            if event is not None and event.event_type_value == "STEP_SUCCESS":
                seconds = event.step_success_data.duration_ms / 1000
                bar.say(f"  ✓ {event.step_key} ({seconds:.1f} s)")
                n_done += 1
                bar(n_done, n_steps)
            elif event is not None and event.event_type_value == "STEP_FAILURE":
                bar.say(f"  ✗ {event.step_key}")


def _failure(result: Any) -> JobFailedError:
    failed = [e for e in result.all_events if e.is_step_failure]
    if not failed:
        return JobFailedError("The run failed before its first step.", "")
    error = failed[0].event_specific_data.error
    return JobFailedError(
        f"{failed[0].step_key} failed: {_with_checks(result, _sentence_of(error))}", error.to_string()
    )


def _sentence_of(error: Any) -> str:
    """Return the message of the PmmdsError in the exception chain, or else of the innermost exception."""
    chain = [error]
    while chain[-1].cause is not None:
        chain.append(chain[-1].cause)
    own_error = next((e for e in chain if e.message.startswith(PmmdsError.__module__)), chain[-1])
    text = str(own_error.message).strip()
    kind, _, message = text.partition(": ")
    return message if kind.endswith("Error") else text


def _with_checks(result: Any, sentence: str) -> str:
    """Return the names and first failures of the failed asset checks, or `sentence` if no check failed."""
    failed = [c for c in result.get_asset_check_evaluations() if not c.passed]
    if not failed:
        return sentence
    descriptions = []
    for check in failed:
        values = {k: getattr(v, "value", v) for k, v in check.metadata.items()}
        records = values.pop("failures", None)
        shown = [", ".join(f"{k} {v}" for k, v in values.items())]
        shown += [", ".join(str(x) for x in r.data.values()) for r in getattr(records, "records", records or [])[:5]]
        descriptions.append(f"{check.check_name} ({'; '.join(s for s in shown if s)})")
    return "the check " + " and ".join(descriptions) + " did not pass."


def _metadata(result: Any) -> dict[str, dict[str, Any]]:
    metadata: dict[str, dict[str, Any]] = {}
    for event in result.get_asset_materialization_events():
        materialization = event.event_specific_data.materialization
        name = materialization.asset_key.to_user_string()
        metadata[name] = {k: getattr(v, "value", v) for k, v in materialization.metadata.items()}
    return metadata


def _failed_checks(result: Any) -> tuple[str, ...]:
    return tuple(c.check_name for c in result.get_asset_check_evaluations() if not c.passed)
