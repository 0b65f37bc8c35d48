"""rollback, approve, reject: a person decides. Each acts at once, and shows it in the Dagster UI afterwards.

Keep out: what is allowed (pmmds_core.workflows.rollback, pmmds_core.workflows.approval).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pmmds_cli.output.console import JsonOption, print_json, say

if TYPE_CHECKING:
    from pmmds_core.deployment import Deployment
    from pmmds_core.policies.decision import Decision

DecisionArgument = Annotated[str, typer.Argument(metavar="ID", help="The decision, from `pmmds decisions`.")]


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: pmmds rollback --to 2 --by Ada --reason 'v3 is slow'")(rollback)
    app.command(epilog="Example: pmmds approve 1f0c33a8d2be --by Ada")(approve)
    app.command(epilog="Example: pmmds reject 1f0c33a8d2be --by Ada --reason 'before the holidays'")(reject)


def rollback(
    to: Annotated[str, typer.Option("--to", metavar="VERSION", help="Default: the previous champion.")] = "",
    by: Annotated[str, typer.Option("--by", help="Who asks for it; default: the user of this process.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="Why, for those who come later.")] = "",
    unrecorded: Annotated[
        bool, typer.Option("--unrecorded", help="With --to: you vouch for a version that no decision recorded.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Put the previous champion, or a named version, back into production; the service follows by itself."""
    from pmmds_core.workflows.rollback import roll_back

    deployment = _deployment()
    decision = roll_back(deployment, to=to, by=by or _user(), reason=reason, unrecorded=unrecorded)
    _tell(deployment, decision, json=json)


def approve(
    decision_id: DecisionArgument,
    by: Annotated[str, typer.Option("--by", help="Who approves it.")],
    json: JsonOption = False,
) -> None:
    """Let a promotion that waits for approval happen; a champion that changed meanwhile aborts it."""
    from pmmds_core.workflows.approval import approve as approve_decision

    deployment = _deployment()
    _tell(deployment, approve_decision(deployment, decision_id, by=by), json=json)


def reject(
    decision_id: DecisionArgument,
    by: Annotated[str, typer.Option("--by", help="Who rejects it.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, for those who come later.")] = "",
    json: JsonOption = False,
) -> None:
    """Refuse a promotion that waits for approval; the version stays registered and its alert open."""
    from pmmds_core.workflows.approval import reject as reject_decision

    decision = reject_decision(_deployment(), decision_id, by=by, reason=reason)
    if json:
        print_json(decision.to_document())
    else:
        print(f"Decision {decision.decision_id} is rejected by {decision.changed_by}; nothing was moved.")


def _deployment() -> Deployment:
    from pmmds_core.deployment import Deployment

    return Deployment.from_environment().prepare()


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "the command line"


def _tell(deployment: Deployment, decision: Decision, *, json: bool) -> None:
    if json:
        print_json(decision.to_document())
    else:
        print(decision.promotion_reason)
        print(f"In production: v{decision.challenger_version}; decision {decision.decision_id}.")
    _show_in_dagster(deployment, decision)


def _show_in_dagster(deployment: Deployment, decision: Decision) -> None:
    """The deed is done and recorded: that Dagster cannot keep its own note of it is a remark, not a failure."""
    from sqlalchemy.exc import SQLAlchemyError

    from pmmds_cli.client.job_runner import shared_instance
    from pmmds_core.errors import PmmdsError

    try:
        instance = shared_instance(deployment.settings)
        from pmmds_assets.rollback import production_event

        instance.report_runless_asset_event(production_event(deployment, decision))
    except (OSError, SQLAlchemyError, PmmdsError) as error:
        say(f"Dagster could not note it in its UI: {str(getattr(error, 'orig', error)).splitlines()[0]}.")
