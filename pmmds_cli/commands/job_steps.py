"""The steps shared by train, monitor and retrain: check the deployment, run a Dagster job, and print the decision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pmmds_cli.output.console import print_json, print_text
from pmmds_cli.output.criteria_table import criteria_lines
from pmmds_cli.output.exit_codes import ExitCode

if TYPE_CHECKING:
    from pmmds_cli.client.job_runner import JobOutcome
    from pmmds_core.deployment import Deployment

FailOnHold = Annotated[bool, typer.Option("--fail-on-hold", help="Exit with code 3 if the model is not promoted.")]


def ready_deployment(role: str) -> Deployment:
    """Return the deployment after checking its contract, database and privileges, before Dagster starts."""
    from pmmds_core.deployment import Deployment

    return Deployment.from_environment().prepare().require_rights(role)


def run_dagster_job(name: str, deployment: Deployment, **options: Any) -> JobOutcome:
    """Run a job in this process and record it on the shared Dagster instance."""
    from pmmds_cli.client.job_runner import run_job

    return run_job(name, deployment.settings, **options)


def print_decision(outcome: JobOutcome, deployment: Deployment, *, json: bool, fail_on_hold: bool) -> None:
    """Print the run's decision. Exits with CONDITION_NOT_MET if `fail_on_hold` is set and no model was promoted."""
    decision = deployment.decisions.of_run(outcome.run_id)
    assert decision is not None, "a successful run stores a decision"
    if json:
        print_json(decision.to_document())
    else:
        print_text(decision.promotion_reason)
        for line in criteria_lines(decision.document):
            print_text(f"  {line}")
        serving = outcome.metadata["production_model"]["model_version"]
        change = "new" if decision.moved_at else "unchanged"
        live = "none" if serving == "none" else f"v{serving} ({change})"
        print(f"In production: {live}; decision {decision.decision_id}.")
        if decision.state == "pending_approval":
            print(f"Approval required: pmmds approve {decision.decision_id} --by NAME, or pmmds reject.")
    if fail_on_hold and decision.moved_at is None:
        raise typer.Exit(ExitCode.CONDITION_NOT_MET)
