"""What the demo found, and how it is told at its end. Keep out: the steps (commands/demo_steps.py)."""

from __future__ import annotations

import shutil
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pmmds_cli.output.criteria_table import evidence_lines
from pmmds_core.config.settings import Settings


@dataclass
class DemoResult:
    """What happened, filled in as the steps go."""

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
    """What happened and where to look."""
    decision, worst = result.decision, sorted(result.drifted_features.items(), key=lambda p: -p[1])
    lines = [
        "What happened",
        f"  data          {result.data}",
        (
            f"  first model   v{result.first_version}, trained on {result.n_reference:,} rows, "
            f"ROC-AUC {result.first_metrics['roc_auc']:.4f} on its holdout"
        ),
        f"  calm traffic  {result.calm_verdict}",
        "  drift         " + ", ".join(f"{name} PSI {psi:.2f}" for name, psi in worst[:5]),
        (
            f"  alert         {result.alert_id}; its retraining started {result.alert_to_run_seconds:.1f} s later "
            f"and took {result.retraining_seconds:.1f} s"
        ),
        f"  decision      {decision['decision_id']}: {decision['promotion_reason']}",
        *(f"    {line}" for line in evidence_lines(decision)),  # fits into 80 columns
        (
            f"  swap          v{result.first_version} → v{result.last_version} "
            f"{result.swap_seconds:.2f} s after the alias moved; "
            f"{result.n_requests_during_swap:,} requests meanwhile, {result.n_failed_requests} failed"
        ),
        f"  whole loop    {result.alert_to_answer_seconds:.1f} s from the alert to an answer of v{result.last_version}",
        "",
        "Where to look",
        f"  drift report  {result.report}",
    ]
    if keep_up:
        base = f"http://{settings.dagster_host}:{settings.dagster_port}"
        lines += [
            f"  lineage       {base}/assets/production_model?view=lineage&lineageScope=upstream&lineageDepth=10",
            f"  service       http://{settings.http_host}:{settings.http_port}/",
            f"  MLflow        http://{settings.mlflow_host}:{settings.mlflow_port}/",
            f"  stop it       PMMDS_HOME={settings.home} {own_command()} down",
        ]
    else:
        lines += [f"  all of it     PMMDS_HOME={settings.home} {own_command()} up   (then http://127.0.0.1:3000)"]
    return lines


def own_command() -> str:
    """`pmmds` as it can be typed here: `make demo` leaves a shell that does not have it on its PATH."""
    return "pmmds" if shutil.which("pmmds") else str(Path(sys.executable).with_name("pmmds"))
