"""train, monitor, retrain: run a Dagster job in this process, recorded on the shared instance."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pmmds_cli.output.console import JsonOption, print_json, say
from pmmds_cli.output.criteria_table import criteria_lines
from pmmds_cli.output.drift_table import print_drift
from pmmds_cli.output.exit_codes import ExitCode
from pmmds_core.statistics.verdict import Verdict
from pmmds_core.stores.database.grants import MONITOR, PROMOTER

if TYPE_CHECKING:
    from pmmds_assets.retraining import Trigger
    from pmmds_cli.client.job_runner import JobOutcome
    from pmmds_core.deployment import Deployment

_VERDICTS = {
    Verdict.STABLE: "the window is stable",
    Verdict.DRIFTED: "the window drifted",
    Verdict.INSUFFICIENT_DATA: "too few rows for a drift verdict (insufficient_data)",
}


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: pmmds train --no-validate")(train)
    app.command(epilog="Example: pmmds monitor --window-hours 6 --segments contract --fail-on-drift")(monitor)
    app.command(epilog="Example: pmmds retrain --force")(retrain)


FailOnHold = Annotated[bool, typer.Option("--fail-on-hold", help="Exit with code 3 if the model is not promoted.")]


def train(
    no_validate: Annotated[
        bool, typer.Option("--no-validate", help="Skip data validation (for debugging); recorded in the model version.")
    ] = False,
    fail_on_hold: FailOnHold = False,
    json: JsonOption = False,
) -> None:
    """Train a model, evaluate it, and promote it if it beats the champion (train_job)."""
    from pmmds_core.data import suite_process

    if not no_validate:
        suite_process.start()
    deployment = _ready_deployment(PROMOTER)
    say(f"Running train_job for {deployment.model_name}")
    ops = {"reference_data": {"config": {"validate_data": not no_validate}}}
    outcome = _run("train_job", deployment, ops=ops)
    _print_decision(outcome, deployment, json=json, fail_on_hold=fail_on_hold)


def monitor(
    window_hours: Annotated[
        int | None,
        typer.Option(
            "--window-hours", min=1, help="Window length in hours. Default: PMMDS_DRIFT_CURRENT_WINDOW_HOURS."
        ),
    ] = None,
    segments: Annotated[
        str, typer.Option("--segments", help="Categorical features to split the report by, comma-separated.")
    ] = "",
    fail_on_drift: Annotated[
        bool, typer.Option("--fail-on-drift", help="Exit with code 3 on drift, 4 on too few rows.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Check the recent window for drift and open an alert if it drifted (monitor_job)."""
    deployment = _ready_deployment(MONITOR)
    document = run_monitor(deployment, window_hours or 0, segments)
    if json:
        print_json(document)
    else:
        print_drift(document)
    if fail_on_drift and document["verdict"] != Verdict.STABLE:
        is_drifted = document["verdict"] == Verdict.DRIFTED
        raise typer.Exit(ExitCode.CONDITION_NOT_MET if is_drifted else ExitCode.TOO_FEW_ROWS)


def run_monitor(deployment: Deployment, window_hours: int = 0, segments: str = "") -> dict[str, Any]:
    """Run monitor_job; returns the drift report with `alert_id`. Raises UsageError for unknown `segments`."""
    from pmmds_core.config.values import comma_list
    from pmmds_core.drift.segments import check_segment_features

    check_segment_features(deployment.contract, comma_list(segments))
    deployment.production_version()
    hours = window_hours or deployment.settings.drift_current_window_hours
    say(f"Running monitor_job on the last {hours} hours")
    from pmmds_assets.jobs import monitor_request

    ops = {"drift_report": {"config": {"window_hours": hours, "segment_features": segments}}}
    outcome = _run("monitor_job", deployment, ops=ops, tags=dict(monitor_request(deployment, hours).tags))
    alert = outcome.metadata["drift_report"]["alert"]
    report = deployment.drift.of_run(outcome.run_id)
    assert report is not None, "a successful run stores its report"
    return {**report.document, "alert_id": None if alert == "none" else alert, "report": report.html_path}


def retrain(
    force: Annotated[
        bool,
        typer.Option("--force", help="Ignore triggers, the daily cap and the minimum number of labels."),
    ] = False,
    fail_on_hold: FailOnHold = False,
    json: JsonOption = False,
) -> None:
    """Check for drift, and retrain if a trigger is active (retrain_job)."""
    deployment = _ready_deployment(PROMOTER)
    document = run_monitor(deployment)
    trigger = _find_trigger(deployment, is_forced=force)
    if isinstance(trigger, str):
        message = (
            trigger or f"{_VERDICTS[document['verdict']]} and no trigger is active. Use --force to retrain anyway."
        )
        message = f"Nothing to do: {message}" if not trigger else f"Not now: {message}"
        print_json({"retrained": False, "reason": message}) if json else print(message)
        if trigger and (force or fail_on_hold):
            raise typer.Exit(ExitCode.CONDITION_NOT_MET)
        return
    tags = trigger.to_tags()
    ops = {"training_data": {"config": {"block_without_labels": not force}}}
    because = f" (trigger {trigger.cause}: {trigger.cause_text})" if trigger.cause else ""
    say(f"Running retrain_job on production labels{because}")
    outcome = _run("retrain_job", deployment, ops=ops, tags=tags)
    if "promotion_decision" not in outcome.metadata:
        _print_blocked(deployment, outcome, json=json, fail_on_hold=fail_on_hold)
        return
    _print_decision(outcome, deployment, json=json, fail_on_hold=fail_on_hold)


def _find_trigger(deployment: Deployment, *, is_forced: bool) -> Trigger | str:
    """The trigger of the run, or the reason not to run; an empty reason means that no trigger is active.

    A manual retraining counts as the next attempt of its trigger, so that the sensor does not start another.
    """
    from pmmds_assets.retraining import Trigger
    from pmmds_assets.sensors import is_retraining_in_flight
    from pmmds_cli.client.job_runner import shared_instance
    from pmmds_core.policies.retraining import MANUAL, Wait, by_person
    from pmmds_core.workflows.retraining_triggers import find_for_person

    now = datetime.now(UTC)
    cause, past = find_for_person(deployment, now)
    if cause is None and not is_forced:
        return ""
    step = by_person(
        cause,
        past,
        is_in_flight=is_retraining_in_flight(shared_instance(deployment.settings)),
        is_forced=is_forced,
        now=now,
        limits=deployment.retraining_limits,
    )
    return step.reason if isinstance(step, Wait) else Trigger.of_request(step, MANUAL)


def _ready_deployment(role: str) -> Deployment:
    """The deployment, after a check of contract, database and rights, so that errors appear before Dagster starts."""
    from pmmds_core.deployment import Deployment

    return Deployment.from_environment().prepare().require_rights(role)


def _run(name: str, deployment: Deployment, **options: Any) -> JobOutcome:
    from pmmds_cli.client.job_runner import run_job

    return run_job(name, deployment.settings, **options)


def _print_decision(outcome: JobOutcome, deployment: Deployment, *, json: bool, fail_on_hold: bool) -> None:
    decision = deployment.decisions.of_run(outcome.run_id)
    assert decision is not None, "a successful run stores a decision"
    if json:
        print_json(decision.to_document())
    else:
        print(decision.promotion_reason)
        for line in criteria_lines(decision.document):
            print(f"  {line}")
        serving = outcome.metadata["production_model"]["model_version"]
        change = "new" if decision.moved_at else "unchanged"
        live = "none" if serving == "none" else f"v{serving} ({change})"
        print(f"In production: {live}; decision {decision.decision_id}.")
        if decision.state == "pending_approval":
            print(f"Approval required: pmmds approve {decision.decision_id} --by NAME, or pmmds reject.")
    if fail_on_hold and decision.moved_at is None:
        raise typer.Exit(ExitCode.CONDITION_NOT_MET)


def _print_blocked(deployment: Deployment, outcome: JobOutcome, *, json: bool, fail_on_hold: bool) -> None:
    run = deployment.retrainings.of_run(outcome.run_id)
    assert run is not None, "a retraining stores its outcome"
    if json:
        print_json({"retrained": False, "outcome": run.outcome, "reason": run.reason})
    else:
        print(f"{run.outcome}: {run.reason}")
        print("Send labels to POST /api/v1/feedback, or use --force to retrain with the labels available.")
    if fail_on_hold:
        raise typer.Exit(ExitCode.CONDITION_NOT_MET)
