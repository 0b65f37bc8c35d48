"""The result of the demo and its printed summary. Not here: the steps (commands/demo_steps.py)."""

from __future__ import annotations

import shutil
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pmmds_cli.output.criteria_table import criteria_lines
from pmmds_core.config.settings import Settings


@dataclass
class DemoResult:
    """Measurements of the demo, filled in by its steps."""

    data: str = ""
    n_reference: int = 0
    first_version: str = ""
    first_metrics: dict[str, float] = field(default_factory=dict)
    calm_verdict: str = ""
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
    """The summary that the demo prints at its end."""
    decision, worst = result.decision, sorted(result.drifted_features.items(), key=lambda p: -p[1])
    lines = [
        "Summary",
        f"  data          {result.data}",
        (
            f"  first model   v{result.first_version}, trained on {result.n_reference:,} rows, "
            f"ROC-AUC {result.first_metrics['roc_auc']:.4f} on its holdout"
        ),
        f"  baseline      {result.calm_verdict} before the drift",
        "  drift         " + ", ".join(f"{name} PSI {psi:.2f}" for name, psi in worst[:5]),
        (
            f"  alert         {result.alert_id}; its retraining started {result.alert_to_run_seconds:.1f} s later "
            f"and took {result.retraining_seconds:.1f} s"
        ),
        f"  decision      {decision['decision_id']}: {decision['promotion_reason']}",
        *(f"    {line}" for line in criteria_lines(decision)),  # fits in 80 columns
        (
            f"  swap          v{result.first_version} → v{result.last_version} "
            f"{result.swap_seconds:.2f} s after the alias moved; "
            f"{result.n_requests_during_swap:,} requests during the swap, {result.n_failed_requests} failed"
        ),
        f"  whole loop    {result.alert_to_answer_seconds:.1f} s from alert to a prediction by v{result.last_version}",
        "",
        "Open next",
        f"  drift report  {result.report}",
    ]
    if keep_up:
        base = f"http://{settings.dagster_host}:{settings.dagster_port}"
        lines += [
            f"  lineage       {base}/assets/production_model?view=lineage&lineageScope=upstream&lineageDepth=10",
            f"  service       http://{settings.http_host}:{settings.http_port}/",
            f"  MLflow        http://{settings.mlflow_host}:{settings.mlflow_port}/",
            f"  stop          PMMDS_HOME={settings.home} {own_command()} down",
        ]
    else:
        lines += [f"  restart       PMMDS_HOME={settings.home} {own_command()} up   (then http://127.0.0.1:3000)"]
    return lines


def own_command() -> str:
    """Return `pmmds`, or its full path if it is not on PATH, for example after `make demo`."""
    return "pmmds" if shutil.which("pmmds") else str(Path(sys.executable).with_name("pmmds"))
