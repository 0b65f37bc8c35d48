"""Runs a Dagster job in this process on the shared instance, so that what a command did shows in the UI.

Keep out: what a command prints of the outcome.
"""

from __future__ import annotations

import os
import threading
import uuid
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pmmds_cli.output import say
from pmmds_core.errors import PmmdsError
from pmmds_core.settings import Settings

if TYPE_CHECKING:
    import dagster as dg

_SOURCE_TAGS = {"pmmds/source": "cli"}
_PROGRESS_SECONDS = 0.3


class JobFailedError(PmmdsError):
    """A step failed; the message is the step's own, the details are for --debug."""

    def __init__(self, message: str, details: str) -> None:
        super().__init__(message)
        self.details = details


@dataclass(frozen=True)
class JobOutcome:
    """What a finished run materialized: asset → metadata as plain values."""

    run_id: str
    metadata: Mapping[str, Mapping[str, Any]]
    failed_checks: tuple[str, ...] = field(default=())


def run_job(
    name: str, settings: Settings, *, ops: Mapping[str, Any] | None = None, tags: Mapping[str, str] | None = None
) -> JobOutcome:
    """Run a job to its end.

    Args:
        name: of the job, as in the UI.
        settings: their DAGSTER_HOME is used.
        ops: run configuration per asset, e.g. `{"reference_data": {"config": {...}}}`.
        tags: run tags.

    Raises:
        JobFailedError: a step failed.
    """
    instance = shared_instance(settings)
    with _quiet_about_beta():
        from pmmds_assets.definitions import defs

    run_id = str(uuid.uuid4())
    with _progress(instance, run_id):
        result = defs.resolve_job_def(name).execute_in_process(
            instance=instance,
            run_config={"ops": dict(ops or {}), "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            tags={**_SOURCE_TAGS, **(tags or {})},
            raise_on_error=False,
            run_id=run_id,
        )
    if not result.success:
        raise _failure(result)
    return JobOutcome(result.run_id, _metadata(result), _failed_checks(result))


def shared_instance(settings: Settings) -> dg.DagsterInstance:
    """The instance that the web server and the daemon use too."""
    from pmmds_assets.dagster_home import prepare_dagster_home

    os.environ["DAGSTER_HOME"] = str(prepare_dagster_home(settings))
    with _quiet_about_beta():
        import dagster as dg

        return dg.DagsterInstance.get()


@contextmanager
def _quiet_about_beta() -> Iterator[None]:
    """Dagster's notices on beta features are for the authors of assets, not for people who run them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*currently in beta")
        yield


@contextmanager
def _progress(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """Say each asset when it is there, from what Dagster writes of the run."""
    done = threading.Event()
    teller = threading.Thread(target=_tell_steps, args=(instance, run_id, done), daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()


def _tell_steps(instance: dg.DagsterInstance, run_id: str, done: threading.Event) -> None:
    cursor: str | None = None
    is_last = False
    while not is_last:
        is_last = done.wait(_PROGRESS_SECONDS)  # once more after the end, for the last steps
        found = instance.get_records_for_run(run_id, cursor=cursor)
        cursor = found.cursor
        for record in found.records:
            event = record.event_log_entry.dagster_event
            if event is not None and event.event_type_value == "STEP_SUCCESS":
                seconds = event.step_success_data.duration_ms / 1000
                say(f"  ✓ {event.step_key} ({seconds:.1f} s)")
            elif event is not None and event.event_type_value == "STEP_FAILURE":
                say(f"  ✗ {event.step_key}")


def _failure(result: Any) -> JobFailedError:
    failed = [e for e in result.all_events if e.is_step_failure]
    if not failed:
        return JobFailedError("The run failed before its first step.", "")
    error = failed[0].event_specific_data.error
    root = error
    while root.cause is not None:
        root = root.cause
    text = root.message.strip()
    kind, _, message = text.partition(": ")
    sentence = message if kind.endswith("Error") else text
    return JobFailedError(f"{failed[0].step_key} failed: {_with_checks(result, sentence)}", error.to_string())


def _with_checks(result: Any, sentence: str) -> str:
    """A blocking check's failure says which check, and what it found."""
    failed = [c for c in result.get_asset_check_evaluations() if not c.passed]
    if not failed:
        return sentence
    found = []
    for check in failed:
        values = {k: getattr(v, "value", v) for k, v in check.metadata.items()}
        records = values.pop("failures", None)
        shown = [", ".join(f"{k} {v}" for k, v in values.items())]
        shown += [" ".join(str(x) for x in r.data.values()) for r in getattr(records, "records", records or [])[:5]]
        found.append(f"{check.check_name} ({'; '.join(s for s in shown if s)})")
    return "the check " + " and ".join(found) + " did not pass."


def _metadata(result: Any) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for event in result.get_asset_materialization_events():
        materialization = event.event_specific_data.materialization
        name = materialization.asset_key.to_user_string()
        found[name] = {k: getattr(v, "value", v) for k, v in materialization.metadata.items()}
    return found


def _failed_checks(result: Any) -> tuple[str, ...]:
    return tuple(c.check_name for c in result.get_asset_check_evaluations() if not c.passed)
