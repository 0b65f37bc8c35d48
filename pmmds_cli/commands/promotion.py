"""The commands `rollback`, `approve` and `reject` for manual decisions.

Each one takes effect immediately and is then recorded in Dagster.

Not here: which changes are allowed (pmmds_core/workflows/rollback.py, approval.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pmmds_cli.commands.completion import pending_decision_ids, versions
from pmmds_cli.output.console import ByOption, JsonOption, print_json, print_text, say

if TYPE_CHECKING:
    from pmmds_core.deployment import Deployment
    from pmmds_core.policies.decision import Decision

DecisionArgument = Annotated[
    str,
    typer.Argument(metavar="ID", help="Decision ID, see `pmmds decisions`.", autocompletion=pending_decision_ids),
]


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: pmmds rollback --to 2 --by Ada --reason 'v3 is slow'")(rollback)
    app.command(epilog="Example: pmmds approve 1f0c33a8d2be --by Ada")(approve)
    app.command(epilog="Example: pmmds reject 1f0c33a8d2be --by Ada --reason 'before the holidays'")(reject)


def rollback(
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="VERSION",
            help="Version to restore. Default: the previous champion.",
            autocompletion=versions,
        ),
    ] = "",
    by: Annotated[str, typer.Option("--by", help="Your name. Default: the current user.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="Reason, stored with the decision.")] = "",
    unrecorded: Annotated[
        bool, typer.Option("--unrecorded", help="With --to: allow a version without a decision record.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Roll back to the previous champion or to a given version."""
    from pmmds_cli.client.auditing import origin as origin_of
    from pmmds_core.workflows.auditing import audited
    from pmmds_core.workflows.rollback import roll_back

    deployment, origin = _deployment(), origin_of(by)
    with audited(deployment, origin, "roll back", f"production version{f', to v{to}' if to else ''}", reason):
        decision = roll_back(deployment, to=to, by=origin.actor, reason=reason, unrecorded=unrecorded)
    _print_decision(deployment, decision, json=json)


def approve(
    decision_id: DecisionArgument,
    by: ByOption,
    json: JsonOption = False,
) -> None:
    """Approve a pending promotion. The promotion is aborted if the champion has changed since the decision."""
    from pmmds_cli.client.auditing import origin
    from pmmds_core.policies.decision import PENDING_APPROVAL
    from pmmds_core.workflows.approval import approve as approve_decision
    from pmmds_core.workflows.auditing import audited

    deployment = _deployment()
    with audited(deployment, origin(by), "approve", f"decision {decision_id}"):
        decision = approve_decision(deployment, decision_id, by=by)
    if decision.state != PENDING_APPROVAL:
        _print_decision(deployment, decision, json=json)
    elif json:
        print_json(decision.to_document())
    else:
        print_text(f"Decision {decision_id} is approved by {by}. Another person must approve it too.")


def reject(
    decision_id: DecisionArgument,
    by: ByOption,
    reason: Annotated[str, typer.Option("--reason", help="Reason, stored with the decision.")] = "",
    json: JsonOption = False,
) -> None:
    """Reject a pending promotion. The version stays registered and the alert stays open."""
    from pmmds_cli.client.auditing import origin
    from pmmds_core.workflows.approval import reject as reject_decision
    from pmmds_core.workflows.auditing import audited

    deployment = _deployment()
    with audited(deployment, origin(by), "reject", f"decision {decision_id}", reason):
        decision = reject_decision(deployment, decision_id, by=by, reason=reason)
    if json:
        print_json(decision.to_document())
    else:
        print_text(f"Decision {decision.decision_id} was rejected by {decision.changed_by}; production is unchanged.")


def _deployment() -> Deployment:
    from pmmds_core.deployment import Deployment

    return Deployment.from_environment().prepare()


def _print_decision(deployment: Deployment, decision: Decision, *, json: bool) -> None:
    if json:
        print_json(decision.to_document())
    else:
        print_text(decision.promotion_reason)
        print(f"In production: v{decision.challenger_version}; decision {decision.decision_id}.")
    _show_in_dagster(deployment, decision)


def _show_in_dagster(deployment: Deployment, decision: Decision) -> None:
    """Record the change in Dagster. If this fails, only print a warning, because the change itself has succeeded."""
    from sqlalchemy.exc import SQLAlchemyError

    from pmmds_cli.client.job_runner import shared_instance
    from pmmds_core.errors import PmmdsError

    try:
        instance = shared_instance(deployment.settings)
        from pmmds_assets.rollback import production_event

        instance.report_runless_asset_event(production_event(deployment, decision))
    except (OSError, SQLAlchemyError, PmmdsError) as error:
        reason = str(getattr(error, "orig", error)).splitlines()[0]
        say(f"Warning: the change could not be recorded in Dagster: {reason}.")
