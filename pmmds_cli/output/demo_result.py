"""The result of the demo and its printed summary. Not here: the steps (commands/demo_steps.py)."""

from __future__ import annotations

import shlex
import shutil
import sys
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from pmmds_cli.output.criteria_table import criteria_lines
from pmmds_core.config.settings import Settings
from pmmds_core.config.urls import client_url
from pmmds_core.runtime.plurals import counted


class DemoOutcome(StrEnum):
    """The outcome of the loop.

    With the packaged sample it must be `promoted`. With other data, every outcome is valid.
    """

    PROMOTED = "promoted"
    HELD = "held"
    BLOCKED = "blocked_no_labels"
    NO_DRIFT = "no_drift"
    TOO_FEW_ROWS = "too_few_rows"
    NOT_TRAINED = "first_model_not_promoted"


@dataclass
class DemoResult:
    """The measurements that the demo's steps record.

    Fields of steps that did not run stay empty. `account` is the reason why the loop promoted no model, or empty if a
    model was promoted.
    """

    data: str = ""
    n_reference: int = 0
    outcome: str = ""
    account: str = ""
    first_version: str = ""
    first_metrics: dict[str, float] = field(default_factory=dict)
    calm_verdict: str = ""
    verdict: str = ""
    drifted_features: dict[str, float] = field(default_factory=dict)
    alert_id: int = 0
    alert_to_run_seconds: float = 0.0
    retraining_seconds: float = 0.0
    decision: dict[str, Any] = field(default_factory=dict)
    last_version: str = ""
    swap_seconds: float = 0.0
    alert_to_answer_seconds: float = 0.0
    n_requests_during_swap: int = 0
    n_failed_requests: int = 0
    production_auc: dict[str, float] = field(default_factory=dict)
    report: str = ""

    def to_document(self) -> dict[str, Any]:
        return asdict(self)


def summary_lines(result: DemoResult, settings: Settings, *, keep_up: bool) -> list[str]:
    """Return the demo's closing summary: the completed steps, and the reason if the loop ended early."""
    lines = ["Summary", f"  data          {result.data}", *_trained(result), *_monitored(result), *_retrained(result)]
    if result.account:
        lines.append(f"  result        {result.account}")
    lines += ["", "Open next"]
    if result.report:
        lines.append(f"  drift report  {result.report}")
    return lines + _next_lines(settings, keep_up=keep_up)


def _trained(result: DemoResult) -> list[str]:
    auc = f"{result.first_metrics['roc_auc']:.4f}"
    rows = counted(result.n_reference, "row")
    return [f"  first model   v{result.first_version}, trained on {rows}, ROC-AUC {auc} on its holdout"]


def _monitored(result: DemoResult) -> list[str]:
    lines = []
    if result.calm_verdict:
        lines.append(f"  baseline      {result.calm_verdict.replace('_', ' ')} before the drift")
    worst = sorted(result.drifted_features.items(), key=lambda p: -p[1])
    if result.verdict:
        shown = ", ".join(f"{name} PSI {psi:.2f}" for name, psi in worst[:5])
        lines.append(f"  drift         {shown or result.verdict.replace('_', ' ')}")
    return lines


def _retrained(result: DemoResult) -> list[str]:
    decision = result.decision
    if not result.alert_id:
        return []
    started, took = f"{result.alert_to_run_seconds:.1f} s", f"{result.retraining_seconds:.1f} s"
    lines = [f"  alert         {result.alert_id}; its retraining started {started} later and took {took}"]
    if decision:
        lines.append(f"  decision      {decision['decision_id']}: {decision['promotion_reason']}")
        lines += [f"    {line}" for line in criteria_lines(decision)]  # The indented table fits in 80 columns.
    requests = counted(result.n_requests_during_swap, "request")
    if not result.last_version:
        return [*lines, f"  traffic       {requests} during the retraining, {result.n_failed_requests} failed"]
    return [
        *lines,
        (
            f"  swap          v{result.first_version} → v{result.last_version} "
            f"{result.swap_seconds:.2f} s after the alias moved; {requests} during it, "
            f"{result.n_failed_requests} failed"
        ),
        f"  whole loop    {result.alert_to_answer_seconds:.1f} s from alert to a prediction by v{result.last_version}",
    ]


def _next_lines(settings: Settings, *, keep_up: bool) -> list[str]:
    if keep_up:
        base = client_url(settings.dagster_host, settings.dagster_port)
        return [
            f"  console       {client_url(settings.console_host, settings.console_port, '/')}",
            f"  lineage       {base}/assets/production_model?view=lineage&lineageScope=upstream&lineageDepth=10",
            f"  service       {client_url(settings.http_host, settings.http_port, '/')}",
            f"  MLflow        {client_url(settings.mlflow_host, settings.mlflow_port, '/')}",
            f"  stop          PMMDS_HOME={shlex.quote(settings.home)} {own_command()} down",
        ]
    console = client_url(settings.console_host, settings.console_port, "/")
    return [f"  restart       PMMDS_HOME={shlex.quote(settings.home)} {own_command()} up   (then {console})"]


def own_command() -> str:
    """Return `pmmds`, or its full path if it is not on PATH, for example after `make demo`."""
    return "pmmds" if shutil.which("pmmds") else str(Path(sys.executable).with_name("pmmds"))
