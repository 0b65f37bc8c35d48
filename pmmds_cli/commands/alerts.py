"""The `pmmds alerts` commands, which show and change drift alerts.

Not here: when alerts open and resolve automatically (pmmds_core/policies/alert_resolution.py).
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from pmmds_cli.commands.completion import alert_ids, live_alert_ids
from pmmds_cli.output.console import MAX_ID, ByOption, JsonOption, LimitOption, print_json, print_table, print_text
from pmmds_core.runtime.plurals import counted

if TYPE_CHECKING:
    from pmmds_core.deployment import Deployment
    from pmmds_core.stores.lifecycle.alerts import Alert
    from pmmds_core.stores.lifecycle.outbox import NotificationState

_ALERT_HELP = "Alert id. See `pmmds alerts list`."
AlertArgument = Annotated[int, typer.Argument(metavar="ID", max=MAX_ID, help=_ALERT_HELP, autocompletion=alert_ids)]
LiveAlertArgument = Annotated[
    int, typer.Argument(metavar="ID", max=MAX_ID, help=_ALERT_HELP, autocompletion=live_alert_ids)
]
NoteOption = Annotated[str, typer.Option(help="Reason, stored with the change.")]
alerts_app = typer.Typer(help="List, acknowledge and resolve drift alerts.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(alerts_app, name="alerts")
    alerts_app.command("list", epilog="Example: pmmds alerts list")(list_alerts)
    alerts_app.command("ack", epilog="Example: pmmds alerts ack 3 --by Ada --note 'price change, expected'")(
        acknowledge
    )
    alerts_app.command("resolve", epilog="Example: pmmds alerts resolve 3 --by Ada --note 'feed fixed'")(resolve)
    alerts_app.command("comment", epilog="Example: pmmds alerts comment 3 --by Ada --note 'asked the data team'")(
        comment
    )
    alerts_app.command("history", epilog="Example: pmmds alerts history 3")(history)


def _deployment() -> Deployment:
    from pmmds_core.deployment import Deployment

    return Deployment.from_environment()


def list_alerts(
    all_alerts: Annotated[bool, typer.Option("--all", help="Include resolved alerts.")] = False,
    limit: LimitOption = 20,
    json: JsonOption = False,
) -> None:
    """List open and acknowledged alerts."""
    alerts = _deployment().alerts.recent(limit, with_resolved=all_alerts)
    if json:
        print_json([asdict(a) for a in alerts])
        return
    rows = [
        {
            "alert": a.alert_id,
            "status": a.status,
            "opened at (UTC)": f"{a.opened_at:%Y-%m-%d %H:%M}",
            "model": f"v{a.model_version}",
            "severity": a.severity,
            "by": a.changed_by,
            "what": a.message if not a.note else f"{a.message} — {a.note}",
        }
        for a in alerts
    ]
    print_table(rows, empty="No open alerts. `pmmds alerts list --all` includes resolved ones.", detail="what")


def acknowledge(
    alert_id: LiveAlertArgument,
    by: ByOption,
    note: NoteOption = "",
    json: JsonOption = False,
) -> None:
    """Acknowledge an alert, so that the alert triggers no automatic retraining."""
    deployment = _deployment()
    with _audited(deployment, by, "acknowledge", alert_id, note):
        alert = deployment.alerts.acknowledge(alert_id, by=by, note=note)
    _print_changed(alert, "it triggers no automatic retraining", json=json)


def resolve(
    alert_id: LiveAlertArgument,
    by: ByOption,
    note: NoteOption = "",
    json: JsonOption = False,
) -> None:
    """Resolve an alert. The next report with drift opens a new alert."""
    deployment = _deployment()
    with _audited(deployment, by, "resolve", alert_id, note):
        alert = deployment.alerts.resolve(alert_id, by=by, note=note)
    _print_changed(alert, "the next report with drift opens a new one", json=json)


def comment(
    alert_id: AlertArgument,
    by: ByOption,
    note: Annotated[str, typer.Option(help="The comment.")],
    json: JsonOption = False,
) -> None:
    """Comment on an alert. This changes nothing else."""
    deployment = _deployment()
    with _audited(deployment, by, "comment", alert_id, note):
        alert = deployment.alerts.comment(alert_id, by=by, note=note)
    if json:
        print_json(asdict(alert))
    else:
        print(f"The comment on alert {alert.alert_id} is stored.")


def _audited(deployment: Deployment, by: str, action: str, alert_id: int, note: str) -> AbstractContextManager[None]:
    from pmmds_cli.client.auditing import origin
    from pmmds_core.workflows.auditing import audited

    return audited(deployment, origin(by), action, f"alert {alert_id}", note)


def _print_changed(alert: Alert, consequence: str, *, json: bool) -> None:
    if json:
        print_json(asdict(alert))
    else:
        print_text(f"Alert {alert.alert_id} was {alert.status} by {alert.changed_by}; {consequence}.")


def history(alert_id: AlertArgument, json: JsonOption = False) -> None:
    """Show an alert's history and notifications."""
    deployment = _deployment()
    alert = deployment.alerts.get(alert_id)
    changes = deployment.alerts.changes(alert_id)
    states = deployment.outbox.of_changes([c.change_id for c in changes])
    if json:
        notifications = [asdict(s) for s in states]
        changed = [asdict(c) for c in changes]
        print_json({"alert": asdict(alert), "changes": changed, "notifications": notifications})
        return
    rows = [
        {
            "changed at (UTC)": f"{c.changed_at:%Y-%m-%d %H:%M}",
            "change": c.kind,
            "severity": c.severity,
            "by": c.changed_by,
            "note": c.note,
            "notifications": "; ".join(_notification(s) for s in states if s.change_id == c.change_id) or None,
        }
        for c in changes
    ]
    print_table(rows, empty="No changes are recorded.")


def _notification(state: NotificationState) -> str:
    if state.sent_at is not None:
        return f"sent {state.sent_at:%H:%M}"
    attempts = counted(state.attempts, "attempt")
    return f"{state.state.replace('_', ' ')} after {attempts}{f': {state.last_error}' if state.last_error else ''}"
