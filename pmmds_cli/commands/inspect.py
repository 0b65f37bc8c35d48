"""decisions, alerts, config, doctor: commands that only read (and acknowledge). They start fast: no heavy import."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pmmds_cli.output.console import JsonOption, print_json, print_table
from pmmds_cli.output.exit_codes import ExitCode

if TYPE_CHECKING:
    from pmmds_core.deployment import Deployment
    from pmmds_core.policies.decision import Decision
    from pmmds_core.stores.lifecycle.alerts import Alert
    from pmmds_core.stores.lifecycle.outbox import NotificationState

LimitOption = Annotated[int, typer.Option("--limit", "-n", min=1, help="How many, newest first.")]
AlertArgument = Annotated[int, typer.Argument(metavar="ID", help="The alert's number, from `pmmds alerts list`.")]
NoteOption = Annotated[str, typer.Option(help="Why, for those who come later.")]
alerts_app = typer.Typer(help="Drift alerts: list them, take one over, close one.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: pmmds decisions --limit 5 --json")(decisions)
    app.command(epilog="Example: pmmds config --json")(config)
    app.command(epilog="Example: pmmds doctor")(doctor)
    app.command(epilog="Example: pmmds performance --days 7 --json")(performance)
    app.add_typer(alerts_app, name="alerts")
    alerts_app.command("list", epilog="Example: pmmds alerts list")(list_alerts)
    alerts_app.command("ack", epilog="Example: pmmds alerts ack 3 --by Ada --note 'price change, expected'")(
        acknowledge
    )
    alerts_app.command("resolve", epilog="Example: pmmds alerts resolve 3 --by Ada --note 'the feed is mended'")(
        resolve
    )
    alerts_app.command("history", epilog="Example: pmmds alerts history 3")(history)


def _deployment() -> Deployment:
    from pmmds_core.deployment import Deployment

    return Deployment.from_environment()


def decisions(limit: LimitOption = 20, json: JsonOption = False) -> None:
    """What was decided about which model, and why."""
    from pmmds_core.policies.decision import PENDING_APPROVAL, RECORDED

    deployment = _deployment()
    found = deployment.decisions.recent(limit)
    # Who has to approve one is shown what it would have answered meanwhile.
    versions = {d.challenger_version for d in found if d.state == PENDING_APPROVAL}
    shadows = {version: _shadow(deployment, version) for version in sorted(versions)}
    if json:
        print_json([{**d.to_document(), "shadow": shadows.get(d.challenger_version)} for d in found])
        return
    rows = [
        {
            "decided at (UTC)": f"{d.decided_at:%Y-%m-%d %H:%M}",
            "decision": d.decision_id,
            "kind": d.kind,
            # What has happened, not what was decided: that may still wait, or have been aborted.
            "promoted": d.promoted and d.state == RECORDED,
            "state": d.status,
            "by": d.changed_by,
            "reason": d.promotion_reason
            if d.state != PENDING_APPROVAL
            else f"{d.promotion_reason} {_shadow_words(shadows[d.challenger_version])}",
        }
        for d in found
    ]
    print_table(rows, empty="Nothing was decided yet. `pmmds train` trains and judges the first model.")
    for waiting in (d for d in found if d.state == PENDING_APPROVAL):
        _print_evidence(waiting)


def _print_evidence(decision: Decision) -> None:
    from pmmds_cli.output.criteria_table import evidence_lines

    print(f"\n{decision.decision_id} waits for `pmmds approve {decision.decision_id} --by NAME`, or `pmmds reject`:")
    for line in evidence_lines(decision.document):
        print(f"  {line}")


def _shadow_words(found: dict[str, Any] | None) -> str:
    from pmmds_core.reports.shadow_text import shadow_text

    return shadow_text(found)


def _shadow(deployment: Deployment, version: str) -> dict[str, Any] | None:
    from pmmds_core.reports.shadow_text import to_document

    found = deployment.shadow.agreement(version)
    return None if found is None else to_document(found)


def performance(
    days: Annotated[int, typer.Option("--days", min=1, help="How many UTC days, today included.")] = 14,
    json: JsonOption = False,
) -> None:
    """How good the answers were, day by day: measured where labels have arrived, estimated where they have not.

    Shows what performance_job kept last; it runs every hour, and from the Dagster UI.
    """
    from pmmds_core.reports.performance_text import estimate_text, realized_text
    from pmmds_core.runtime.time_windows import daily_window_start

    kept = _deployment().daily_performance.results(daily_window_start(datetime.now(UTC), days))
    if json:
        print_json([k.document for k in kept])
        return
    rows = [
        {
            "day (UTC)": f"{k.day:%Y-%m-%d}",
            "model": f"v{k.model_version}",
            "rows": k.n_rows,
            "labels missing": k.n_rows - k.n_labelled,
            "ROC-AUC (95 %)": realized_text(k.document, "roc_auc"),
            "log loss": realized_text(k.document, "log_loss", with_interval=False),
            "calibration error": realized_text(k.document, "calibration_error", with_interval=False),
            "estimated ROC-AUC (CBPE)": estimate_text(k.document),
        }
        for k in kept
    ]
    print_table(rows, empty=f"No day of the last {days} was measured yet: performance_job does it, every hour.")


def list_alerts(
    all_alerts: Annotated[bool, typer.Option("--all", help="Resolved ones too.")] = False,
    limit: LimitOption = 20,
    json: JsonOption = False,
) -> None:
    """Alerts that are open or acknowledged."""
    found = [a for a in _deployment().alerts.recent(limit) if all_alerts or a.status != "resolved"]
    if json:
        print_json([asdict(a) for a in found])
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
        for a in found
    ]
    print_table(rows, empty="No alert is open. `pmmds alerts list --all` shows resolved ones.")


def acknowledge(
    alert_id: AlertArgument,
    by: Annotated[str, typer.Option("--by", help="Who takes it over.")],
    note: NoteOption = "",
    json: JsonOption = False,
) -> None:
    """Take an alert over: it starts no more retrainings until a person does."""
    alert = _deployment().alerts.acknowledge(alert_id, by=by, note=note)
    _tell_changed(alert, "it starts no retraining by itself", json=json)


def resolve(
    alert_id: AlertArgument,
    by: Annotated[str, typer.Option("--by", help="Who closes it.")],
    note: NoteOption = "",
    json: JsonOption = False,
) -> None:
    """Close an alert: the next drifted report opens a new one."""
    alert = _deployment().alerts.resolve(alert_id, by=by, note=note)
    _tell_changed(alert, "the next drifted report opens a new one", json=json)


def _tell_changed(alert: Alert, consequence: str, *, json: bool) -> None:
    if json:
        print_json(asdict(alert))
    else:
        print(f"Alert {alert.alert_id} is {alert.status} by {alert.changed_by}; {consequence}.")


def history(alert_id: AlertArgument, json: JsonOption = False) -> None:
    """Everything that became of an alert, and whom it was told to."""
    deployment = _deployment()
    alert = deployment.alerts.get(alert_id)
    changes = deployment.alerts.changes(alert_id)
    sendings = deployment.outbox.of_changes([c.change_id for c in changes])
    if json:
        told = [asdict(s) for s in sendings]
        print_json({"alert": asdict(alert), "changes": [asdict(c) for c in changes], "notifications": told})
        return
    rows = [
        {
            "changed at (UTC)": f"{c.changed_at:%Y-%m-%d %H:%M}",
            "change": c.kind,
            "severity": c.severity,
            "by": c.changed_by,
            "note": c.note,
            "told": "; ".join(_sending(s) for s in sendings if s.change_id == c.change_id) or None,
        }
        for c in changes
    ]
    print_table(rows, empty="Nothing is known of it.")


def _sending(state: NotificationState) -> str:
    if state.sent_at is not None:
        return f"sent {state.sent_at:%H:%M}"
    tried = f"{state.attempts} tries" if state.attempts != 1 else "1 try"
    return f"{state.state.replace('_', ' ')} after {tried}{f': {state.last_error}' if state.last_error else ''}"


def config(json: JsonOption = False) -> None:
    """Every setting: its value, its default, what it means."""
    from pmmds_core.config.listing import describe

    rows = describe()
    if json:
        print_json([{name: getattr(r, name) for name in r.__struct_fields__} for r in rows])
        return
    shown: list[dict[str, Any]] = [
        {"setting": r.variable, "value": r.value or "–", "": "set" if r.is_set else "default", "meaning": r.description}
        for r in rows
    ]
    print_table(shown, empty="")


def doctor(json: JsonOption = False) -> None:
    """Look at every part: what works, what does not, and what to do. Exit code 1 when something does not."""
    from pmmds_cli.processes.doctor import diagnose

    findings = diagnose()
    if json:
        print_json([asdict(f) for f in findings])
    else:
        rows = [{"part": f.part, "": "ok" if f.ok else "PROBLEM", "what was seen": f.seen} for f in findings]
        print_table(rows, empty="")
    if not all(f.ok for f in findings):
        raise typer.Exit(ExitCode.FAILURE)
