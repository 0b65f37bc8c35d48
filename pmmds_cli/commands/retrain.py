"""The `pmmds retrain` command, which runs monitor_job and, if a trigger is active, retrain_job in this process."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from pmmds_cli.commands.job_steps import FailOnHold, print_decision, ready_deployment, run_dagster_job
from pmmds_cli.commands.monitor import run_monitor
from pmmds_cli.output.console import JsonOption, print_json, print_text, say
from pmmds_cli.output.exit_codes import ExitCode
from pmmds_core.statistics.verdict import Verdict
from pmmds_core.stores.database.grants import PROMOTER

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
    app.command(epilog="Example: pmmds retrain --force")(retrain)


def retrain(
    force: Annotated[
        bool,
        typer.Option("--force", help="Ignore triggers, the daily cap and the minimum number of labels."),
    ] = False,
    fail_on_hold: FailOnHold = False,
    json: JsonOption = False,
) -> None:
    """Check for drift, and retrain the model if a trigger is active (retrain_job)."""
    deployment = ready_deployment(PROMOTER)
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
    outcome = run_dagster_job("retrain_job", deployment, ops=ops, tags=tags)
    if "promotion_decision" not in outcome.metadata:
        _print_blocked(deployment, outcome, json=json, fail_on_hold=fail_on_hold)
        return
    print_decision(outcome, deployment, json=json, fail_on_hold=fail_on_hold)


def _find_trigger(deployment: Deployment, *, is_forced: bool) -> Trigger | str:
    """Return the run's trigger, or the reason not to run. The reason is empty if no trigger is active.

    A manual retraining counts as the next attempt of its trigger, so that the sensor does not start another run.
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


def _print_blocked(deployment: Deployment, outcome: JobOutcome, *, json: bool, fail_on_hold: bool) -> None:
    run = deployment.retrainings.of_run(outcome.run_id)
    assert run is not None, "a retraining stores its outcome"
    if json:
        print_json({"retrained": False, "outcome": run.outcome, "reason": run.reason})
    else:
        print_text(f"{run.outcome}: {run.reason}")
        print("Send labels to POST /api/v1/feedback, or use --force to retrain with the labels available.")
    if fail_on_hold:
        raise typer.Exit(ExitCode.CONDITION_NOT_MET)
