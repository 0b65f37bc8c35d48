"""The commands `decisions`, `performance` and `doctor`, which read the database.

They import no heavy libraries (pmmds_tests/cli/test_imports.py).
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pmmds_cli.output.console import JsonOption, LimitOption, print_json, print_table, print_text
from pmmds_cli.output.exit_codes import ExitCode
from pmmds_core.runtime.plurals import counted

if TYPE_CHECKING:
    from pmmds_core.deployment import Deployment
    from pmmds_core.policies.decision import Decision


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: pmmds decisions --limit 5 --json")(decisions)
    app.command(epilog="Example: pmmds doctor")(doctor)
    app.command(epilog="Example: pmmds performance --days 7 --json")(performance)


def _deployment() -> Deployment:
    from pmmds_core.deployment import Deployment

    return Deployment.from_environment()


def decisions(limit: LimitOption = 20, json: JsonOption = False) -> None:
    """List promotion decisions with their reasons."""
    from pmmds_core.policies.decision import PENDING_APPROVAL, RECORDED

    deployment = _deployment()
    recent = deployment.decisions.recent(limit)
    # Approvers need to see the challenger's results on live traffic.
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
            # The promotion that was decided may still be pending, or may have been aborted.
            "promoted": d.promoted and d.state == RECORDED,
            "state": d.status,
            "by": d.changed_by,
            "reason": d.promotion_reason
            if d.state != PENDING_APPROVAL
            else f"{d.promotion_reason} {_shadow_text(shadows[d.challenger_version])}",
        }
        for d in recent
    ]
    print_table(rows, empty="No decisions yet. Run `pmmds train` to train the first model.", detail="reason")
    for pending in (d for d in recent if d.state == PENDING_APPROVAL):
        _print_approvals(deployment, pending)
        _print_criteria(pending)


def _print_approvals(deployment: Deployment, decision: Decision) -> None:
    for approval in deployment.decisions.approvals(decision.decision_id):
        at = f"{approval.approved_at:%Y-%m-%d %H:%M} UTC"
        print_text(f"\n{decision.decision_id} was approved by {approval.approved_by} at {at}.")


def _print_criteria(decision: Decision) -> None:
    from pmmds_cli.output.criteria_table import criteria_lines

    print(f"\n{decision.decision_id} is pending. Run one of:")
    print(f"  pmmds approve {decision.decision_id} --by NAME")
    print(f"  pmmds reject {decision.decision_id} --by NAME --reason TEXT")
    for line in criteria_lines(decision.document):
        print_text(f"  {line}")


def _shadow_text(found: dict[str, Any] | None) -> str:
    from pmmds_core.reports.shadow_text import shadow_text

    return shadow_text(found)


def _shadow(deployment: Deployment, version: str) -> dict[str, Any] | None:
    from pmmds_core.reports.shadow_text import to_document

    found = deployment.shadow.agreement(version)
    return None if found is None else to_document(found)


def performance(
    days: Annotated[int, typer.Option("--days", min=1, max=3660, help="Number of UTC days, including today.")] = 14,
    json: JsonOption = False,
) -> None:
    """Show the model's daily performance, measured on the received labels and estimated without labels.

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


def doctor(json: JsonOption = False) -> None:
    """Check every component and print how to fix problems. Exits with code 1 if there is a problem."""
    from pmmds_cli.processes.doctor import diagnose

    findings = diagnose()
    if json:
        print_json([asdict(f) for f in findings])
    else:
        rows = [{"component": f.part, "": "ok" if f.ok else "PROBLEM", "result": f.seen} for f in findings]
        print_table(rows, empty="", detail="result")
    if not all(f.ok for f in findings):
        raise typer.Exit(ExitCode.FAILURE)
