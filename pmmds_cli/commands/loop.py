"""train, monitor, retrain: the jobs of the loop, run here and recorded on the shared Dagster instance."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pmmds_cli.output.console import JsonOption, print_json, say
from pmmds_cli.output.criteria_table import evidence_lines
from pmmds_cli.output.drift_table import INSUFFICIENT_DATA, print_drift
from pmmds_core.stores.database.grants import MONITOR, PROMOTER

if TYPE_CHECKING:
    from pmmds_assets.retraining import Trigger
    from pmmds_cli.client.job_runner import JobOutcome
    from pmmds_core.deployment import Deployment

NO = 3  # the exit code of an honest no
# What a look at the window came to, before an alert is spoken of.
_VERDICTS = {
    "stable": "the window is stable",
    "drifted": "the window has drifted",
    "insufficient_data": "too few rows to judge drift (insufficient_data)",
}


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: pmmds train --no-validate")(train)
    app.command(epilog="Example: pmmds monitor --window-hours 6 --segments contract --fail-on-drift")(monitor)
    app.command(epilog="Example: pmmds retrain --force")(retrain)


FailOnHold = Annotated[bool, typer.Option("--fail-on-hold", help="Exit with 3 when the model is not promoted.")]


def train(
    no_validate: Annotated[
        bool, typer.Option("--no-validate", help="Skip the expectations, for debugging; the model version says so.")
    ] = False,
    fail_on_hold: FailOnHold = False,
    json: JsonOption = False,
) -> None:
    """Train, judge and, when it is better, put into production (train_job)."""
    from pmmds_core.data import suite_process

    if not no_validate:
        suite_process.start()
    deployment = _ready_deployment(PROMOTER)
    say(f"train_job: training {deployment.model_name}")
    ops = {"reference_data": {"config": {"validate_data": not no_validate}}}
    outcome = _run("train_job", deployment, ops=ops)
    _tell_decision(outcome, deployment, json=json, fail_on_hold=fail_on_hold)


def monitor(
    window_hours: Annotated[
        int | None, typer.Option("--window-hours", min=1, help="Length of the window; default: the setting.")
    ] = None,
    segments: Annotated[
        str, typer.Option("--segments", help="Categorical features to split the report by; comma list.")
    ] = "",
    fail_on_drift: Annotated[
        bool, typer.Option("--fail-on-drift", help="Exit with 3 when drift is found, 4 when too few rows can tell.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Count the hours that changed, judge the window, raise an alert when it drifted (monitor_job)."""
    deployment = _ready_deployment(MONITOR)
    document = run_monitor(deployment, window_hours or 0, segments)
    if json:
        print_json(document)
    else:
        print_drift(document)
    if fail_on_drift and document["verdict"] != "stable":
        raise typer.Exit(NO if document["verdict"] == "drifted" else INSUFFICIENT_DATA)


def run_monitor(deployment: Deployment, window_hours: int = 0, segments: str = "") -> dict[str, Any]:
    """Run monitor_job; the report's document with the alert it raised. Raises UsageError for unknown `segments`."""
    from pmmds_core.config.values import comma_list
    from pmmds_core.drift.segments import check_segment_features

    check_segment_features(deployment.contract, comma_list(segments))
    deployment.production_version()
    hours = window_hours or deployment.settings.drift_current_window_hours
    say(f"monitor_job: the last {hours} hours")
    from pmmds_assets.jobs import monitor_request

    ops = {"drift_report": {"config": {"window_hours": hours, "segment_features": segments}}}
    outcome = _run("monitor_job", deployment, ops=ops, tags=dict(monitor_request(deployment, hours).tags))
    alert = outcome.metadata["drift_report"]["alert"]
    report = deployment.drift.of_run(outcome.run_id)
    assert report is not None, "a run that ended well has kept its report"
    return {**report.document, "alert_id": None if alert == "none" else alert, "report": report.html_path}


def retrain(
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Retrain without drift and beyond the day's cap too; with too few labels on what there is."
        ),
    ] = False,
    fail_on_hold: FailOnHold = False,
    json: JsonOption = False,
) -> None:
    """Check drift; retrain when an alert is open or something else asks for it (retrain_job)."""
    deployment = _ready_deployment(PROMOTER)
    document = run_monitor(deployment)
    trigger = _asked_for(deployment, is_forced=force)
    if isinstance(trigger, str):
        message = trigger or f"{_VERDICTS[document['verdict']]}, and no alert is open. --force retrains all the same."
        message = f"Nothing to do: {message}" if not trigger else f"Not now: {message}"
        print_json({"retrained": False, "reason": message}) if json else print(message)
        if trigger and (force or fail_on_hold):
            raise typer.Exit(NO)
        return
    tags = trigger.to_tags()
    ops = {"training_data": {"config": {"block_without_labels": not force}}}
    because = f" (asked for by {trigger.cause}: {trigger.cause_text})" if trigger.cause else ""
    say(f"retrain_job: training with what production has taught{because}")
    outcome = _run("retrain_job", deployment, ops=ops, tags=tags)
    if "promotion_decision" not in outcome.metadata:
        _tell_blocked(deployment, outcome, json=json, fail_on_hold=fail_on_hold)
        return
    _tell_decision(outcome, deployment, json=json, fail_on_hold=fail_on_hold)


def _asked_for(deployment: Deployment, *, is_forced: bool) -> Trigger | str:
    """What the run is; or why there is none, empty when nothing asks.

    A person's retraining counts as the next attempt of what asks, so that the sensor does not begin another.
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
    """The deployment with contract, database and rights looked at: what is wrong is said before Dagster starts."""
    from pmmds_core.deployment import Deployment

    return Deployment.from_environment().prepare().require_rights(role)


def _run(name: str, deployment: Deployment, **options: Any) -> JobOutcome:
    from pmmds_cli.client.job_runner import run_job

    return run_job(name, deployment.settings, **options)


def _tell_decision(outcome: JobOutcome, deployment: Deployment, *, json: bool, fail_on_hold: bool) -> None:
    decision = deployment.decisions.of_run(outcome.run_id)
    assert decision is not None, "a run that ended well has decided"
    if json:
        print_json(decision.to_document())
    else:
        print(decision.promotion_reason)
        for line in evidence_lines(decision.document):
            print(f"  {line}")
        serving = outcome.metadata["production_model"]["model_version"]
        change = "new" if decision.moved_at else "unchanged"
        words = "nothing yet" if serving == "none" else f"v{serving} ({change})"
        print(f"In production: {words}; decision {decision.decision_id}.")
        if decision.state == "pending_approval":
            print(f"It waits for a person: pmmds approve {decision.decision_id} --by NAME, or pmmds reject.")
    if fail_on_hold and decision.moved_at is None:
        raise typer.Exit(NO)


def _tell_blocked(deployment: Deployment, outcome: JobOutcome, *, json: bool, fail_on_hold: bool) -> None:
    run = deployment.retrainings.of_run(outcome.run_id)
    assert run is not None, "a retraining records how it ended"
    if json:
        print_json({"retrained": False, "outcome": run.outcome, "reason": run.reason})
    else:
        print(f"{run.outcome}: {run.reason}")
        print("Labels come through POST /api/v1/feedback; --force trains on what there is.")
    if fail_on_hold:
        raise typer.Exit(NO)
