"""decisions, alerts, performance, doctor: commands that read the database, and change alerts.

They import no heavy library (pmmds_tests/cli/test_imports.py).
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pmmds_cli.output.console import JsonOption, print_json, print_table
from pmmds_cli.output.exit_codes import ExitCode
from pmmds_core.runtime.plurals import counted

if TYPE_CHECKING:
    from pmmds_core.deployment import Deployment
    from pmmds_core.policies.decision import Decision
    from pmmds_core.stores.lifecycle.alerts import Alert
    from pmmds_core.stores.lifecycle.outbox import NotificationState

LimitOption = Annotated[int, typer.Option("--limit", "-n", min=1, help="Maximum number of rows, newest first.")]
AlertArgument = Annotated[int, typer.Argument(metavar="ID", help="Alert ID, see `pmmds alerts list`.")]
NoteOption = Annotated[str, typer.Option(help="Reason, stored with the change.")]
alerts_app = typer.Typer(help="List, acknowledge and resolve drift alerts.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: pmmds decisions --limit 5 --json")(decisions)
    app.command(epilog="Example: pmmds doctor")(doctor)
    app.command(epilog="Example: pmmds performance --days 7 --json")(performance)
    app.add_typer(alerts_app, name="alerts")
    alerts_app.command("list", epilog="Example: pmmds alerts list")(list_alerts)
    alerts_app.command("ack", epilog="Example: pmmds alerts ack 3 --by Ada --note 'price change, expected'")(
        acknowledge
    )
    alerts_app.command("resolve", epilog="Example: pmmds alerts resolve 3 --by Ada --note 'feed fixed'")(resolve)
    alerts_app.command("history", epilog="Example: pmmds alerts history 3")(history)


def _deployment() -> Deployment:
    from pmmds_core.deployment import Deployment

    return Deployment.from_environment()


def decisions(limit: LimitOption = 20, json: JsonOption = False) -> None:
    """List promotion decisions with their reasons."""
    from pmmds_core.policies.decision import PENDING_APPROVAL, RECORDED

    deployment = _deployment()
    recent = deployment.decisions.recent(limit)
    # Approvers need the challenger's results on live traffic.
    versions = {d.challenger_version for d in recent if d.state == PENDING_APPROVAL}
    shadows = {version: _shadow(deployment, version) for version in sorted(versions)}
    if json:
        print_json([{**d.to_document(), "shadow": shadows.get(d.challenger_version)} for d in recent])
        return
    rows = [
        {
            "decided at (UTC)": f"{d.decided_at:%Y-%m-%d %H:%M}",
            "decision": d.decision_id,
            "kind": d.kind,
            # A decision to promote may still be pending, or aborted.
            "promoted": d.promoted and d.state == RECORDED,
            "state": d.status,
            "by": d.changed_by,
            "reason": d.promotion_reason
            if d.state != PENDING_APPROVAL
            else f"{d.promotion_reason} {_shadow_text(shadows[d.challenger_version])}",
        }
        for d in recent
    ]
    print_table(rows, empty="No decisions yet. Run `pmmds train` to train the first model.")
    for pending in (d for d in recent if d.state == PENDING_APPROVAL):
        _print_criteria(pending)


def _print_criteria(decision: Decision) -> None:
    from pmmds_cli.output.criteria_table import criteria_lines

    print(f"\n{decision.decision_id} is pending: `pmmds approve {decision.decision_id} --by NAME`, or `pmmds reject`.")
    for line in criteria_lines(decision.document):
        print(f"  {line}")


def _shadow_text(found: dict[str, Any] | None) -> str:
    from pmmds_core.reports.shadow_text import shadow_text

    return shadow_text(found)


def _shadow(deployment: Deployment, version: str) -> dict[str, Any] | None:
    from pmmds_core.reports.shadow_text import to_document

    found = deployment.shadow.agreement(version)
    return None if found is None else to_document(found)


def performance(
    days: Annotated[int, typer.Option("--days", min=1, help="Number of UTC days, including today.")] = 14,
    json: JsonOption = False,
) -> None:
    """Show model performance by day: measured on the received labels, and estimated without labels.

    Shows the latest result of performance_job, which runs every hour.
    """
    from pmmds_core.reports.performance_text import estimate_text, realized_text
    from pmmds_core.runtime.time_windows import daily_window_start

    measured = _deployment().daily_performance.results(daily_window_start(datetime.now(UTC), days))
    if json:
        print_json([day.document for day in measured])
        return
    rows = [
        {
            "day (UTC)": f"{day.day:%Y-%m-%d}",
            "model": f"v{day.model_version}",
            "rows": day.n_rows,
            "labels missing": day.n_rows - day.n_labelled,
            "ROC-AUC (95%)": realized_text(day.document, "roc_auc"),
            "log loss": realized_text(day.document, "log_loss", with_interval=False),
            "calibration error": realized_text(day.document, "calibration_error", with_interval=False),
            "estimated ROC-AUC (CBPE)": estimate_text(day.document),
        }
        for day in measured
    ]
    print_table(rows, empty=f"No results for the last {counted(days, 'day')} yet. performance_job runs every hour.")


def list_alerts(
    all_alerts: Annotated[bool, typer.Option("--all", help="Include resolved alerts.")] = False,
    limit: LimitOption = 20,
    json: JsonOption = False,
) -> None:
    """List open and acknowledged alerts."""
    alerts = [a for a in _deployment().alerts.recent(limit) if all_alerts or a.status != "resolved"]
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
    print_table(rows, empty="No open alerts. `pmmds alerts list --all` includes resolved ones.")


def acknowledge(
    alert_id: AlertArgument,
    by: Annotated[str, typer.Option("--by", help="Your name.")],
    note: NoteOption = "",
    json: JsonOption = False,
) -> None:
    """Acknowledge an alert; no automatic retraining until it is resolved."""
    alert = _deployment().alerts.acknowledge(alert_id, by=by, note=note)
    _print_changed(alert, "it triggers no automatic retraining", json=json)


def resolve(
    alert_id: AlertArgument,
    by: Annotated[str, typer.Option("--by", help="Your name.")],
    note: NoteOption = "",
    json: JsonOption = False,
) -> None:
    """Resolve an alert; the next report with drift opens a new one."""
    alert = _deployment().alerts.resolve(alert_id, by=by, note=note)
    _print_changed(alert, "the next report with drift opens a new one", json=json)


def _print_changed(alert: Alert, consequence: str, *, json: bool) -> None:
    if json:
        print_json(asdict(alert))
    else:
        print(f"Alert {alert.alert_id} is {alert.status} by {alert.changed_by}; {consequence}.")


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


def doctor(json: JsonOption = False) -> None:
    """Check every component and print how to fix problems. Exits with code 1 if there is a problem."""
    from pmmds_cli.processes.doctor import diagnose

    findings = diagnose()
    if json:
        print_json([asdict(f) for f in findings])
    else:
        rows = [{"component": f.part, "": "ok" if f.ok else "PROBLEM", "result": f.seen} for f in findings]
        print_table(rows, empty="")
    if not all(f.ok for f in findings):
        raise typer.Exit(ExitCode.FAILURE)
