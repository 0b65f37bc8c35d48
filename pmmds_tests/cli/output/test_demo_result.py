"""The commands in the demo's summary work in the shell that started the demo."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pmmds_cli.output.demo_result import DemoOutcome, DemoResult, own_command, summary_lines
from pmmds_core.config.settings import Settings
from pmmds_core.training.code_version import code_version


def test_summary_shows_the_full_path_if_pmmds_is_not_on_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = subprocess.run([own_command(), "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"pmmds {code_version()}\n"


def test_summary_shows_only_pmmds_if_it_is_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    assert own_command() == "pmmds"


def test_summary_of_a_held_challenger_shows_its_criteria_and_no_swap() -> None:
    criterion = {"name": "improvement", "value": 0.0003, "threshold": "≥ 0.001", "verdict": "not met", "blocking": True}
    decision = {
        "decision_id": "d-1",
        "promotion_reason": "Challenger v2 does not replace champion v1.",
        "criteria": [{**criterion, "passed": False}],
    }
    result = DemoResult(
        outcome=DemoOutcome.HELD,
        account="v1 stays in production.",
        first_version="1",
        first_metrics={"roc_auc": 0.7},
        calm_verdict="stable",
        verdict="drifted",
        drifted_features={"age": 0.9},
        alert_id=1,
        decision=decision,
        n_requests_during_swap=1,
    )
    lines = "\n".join(summary_lines(result, Settings(), keep_up=False))
    assert re.search(r"improvement +0.000300 +≥ 0.001 +not met", lines)
    assert "result        v1 stays in production." in lines
    assert "1 request during the retraining" in lines
    assert "swap" not in lines
    assert "whole loop" not in lines


def test_summary_ends_with_the_last_completed_step() -> None:
    result = DemoResult(
        outcome=DemoOutcome.NOT_TRAINED,
        account="The first model was not promoted.",
        first_version="1",
        first_metrics={"roc_auc": 0.5},
        n_reference=1,
    )
    lines = summary_lines(result, Settings(), keep_up=False)
    assert [line.split()[0] for line in lines[1:4]] == ["data", "first", "result"]
    assert "trained on 1 row," in lines[2]
