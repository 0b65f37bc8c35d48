"""The program of docs/tutorials/costs.md prints the table in the tutorial, and its costs are those of numpy."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from pmmds_core.deployment import Deployment
from pmmds_core.models.scorer_compiler import rows_of
from pmmds_core.stores.database.tables import shadow_predictions
from pmmds_core.stores.predictions.label_history import LabelItem
from pmmds_core.stores.predictions.log import PredictionRecord
from pmmds_core.synthetic.generator import packaged_generator
from pmmds_core.synthetic.scenarios import traffic_rows
from pmmds_tests.harness.trained_versions import trained

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorials" / "costs.md"
N_ROWS = 4000
LINE = re.compile(r"^(\w[\w ]*?) +([\d.]+) +([\d.]+) +([\d.]+)$", re.MULTILINE)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TUTORIAL.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def log_labeled_rows(deployment: Deployment) -> tuple[np.ndarray, np.ndarray]:
    """Log rows that resemble the reference as the service does. Returns their probabilities and labels."""
    contract, now = deployment.contract, datetime.now(UTC)
    frame = traffic_rows(packaged_generator(), contract, N_ROWS, "none", seed=11).frame
    scorer = deployment.profiles.bundle("1").scorer
    rows = [(row, scorer.probability(row)) for row in rows_of(frame, contract)]
    deployment.prediction_log.append(
        [
            PredictionRecord(f"r{i}", now, contract.model_name, "1", int(p >= 0.5), p, 0.3, tuple(row))
            for i, (row, p) in enumerate(rows)
        ]
    )
    labels = frame[contract.label.name].to_numpy()
    deployment.ground_truth.add(LabelItem(f"r{i}", int(label), now) for i, label in enumerate(labels))
    return np.array([p for _, p in rows]), labels


def printed_rows(text: str) -> dict[str, list[float]]:
    return {name: [float(x) for x in numbers] for name, *numbers in LINE.findall(text)}


def shadow_rows(now: datetime) -> list[dict[str, Any]]:
    """Scores of version 2 for the first ten rows."""
    return [
        {
            "model_version": "2",
            "request_id": f"r{i}",
            "model_name": "churn-classifier",
            "predicted_at": now,
            "probability": i / 10,
            "prediction": int(i >= 5),
            "scored_at": now,
        }
        for i in range(10)
    ]


def test_the_program_prints_the_table_of_the_tutorial(tmp_path: Path) -> None:
    deployment = trained(tmp_path / "home")
    probabilities, labels = log_labeled_rows(deployment)
    program = next(block for block in blocks("python") if "read_sql" in block)
    environment = {**os.environ, "PMMDS_HOME": str(tmp_path / "home")}
    command: Any = [sys.executable, "-c", program]
    printed = printed_rows(subprocess.run(command, env=environment, text=True, capture_output=True, check=True).stdout)
    for threshold, cost, estimate in printed.values():
        wrong = {50: (probabilities >= threshold) & (labels == 0), 500: (probabilities < threshold) & (labels == 1)}
        assert cost == pytest.approx(sum(price * mask.sum() for price, mask in wrong.items()) / N_ROWS, rel=0.02)
        expected = np.where(probabilities >= threshold, (1 - probabilities) * 50, probabilities * 500).mean()
        assert estimate == pytest.approx(expected, rel=0.02)
    (table,) = blocks("text")
    shown = printed_rows(table)
    assert list(shown) == list(printed) == ["default", "from the costs", "lowest cost"]
    for name, numbers in shown.items():
        assert printed[name][1:] == pytest.approx(numbers[1:], rel=0.03), name

    with deployment.database.begin() as connection:
        connection.execute(sa.insert(shadow_predictions), shadow_rows(datetime.now(UTC)))
        (query,) = blocks("sql")
        compared = sorted(connection.execute(sa.text(query)).all())
    assert compared == [(i / 10, pytest.approx(probabilities[i]), labels[i]) for i in range(10)]
