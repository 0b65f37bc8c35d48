"""ROC-AUC requires enough rows of both classes; otherwise a reason is reported instead of a number."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from pmmds_core.evaluation.labelled_rows import LabelledRows
from pmmds_core.evaluation.production import measure_production
from pmmds_core.evaluation.shadow import ShadowedRows, agreement
from pmmds_core.models.calibration import Calibration
from pmmds_core.statistics.verdict import Verdict
from pmmds_core.stores.monitoring.daily_performance import DayRows, DayState
from pmmds_core.workflows.daily_performance import day_document

DAY = datetime(2026, 3, 1, tzinfo=UTC)
N = 200


def labels_with(n_positive: int, n: int = N) -> NDArray[np.int64]:
    return np.array([1] * n_positive + [0] * (n - n_positive), dtype=np.int64)


def scores_of(n: int = N) -> NDArray[np.float64]:
    return np.random.default_rng(3).random(n)


def auc_by_ranks(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> float:
    """Return the share of pairs in which the positive row has the higher score (Mann-Whitney)."""
    frame = pd.DataFrame({"label": labels, "rank": pd.Series(scores).rank()})
    positive = frame[frame["label"] == 1]
    n = len(positive)
    return float((positive["rank"].sum() - n * (n + 1) / 2) / (n * (len(frame) - n)))


def document_of(labels: NDArray[np.int64]) -> dict[str, object]:
    n = len(labels)
    scores = scores_of(n)
    rows = DayRows(scores, (scores >= 0.5).astype(np.int64), labels)
    state = DayState("1", DAY, n, int((labels >= 0).sum()), "digest")
    return day_document(state, rows, None, Calibration((0.0, 1.0), (0.0, 1.0), 2000), {}, 100)


def production_of(labels: NDArray[np.int64]) -> LabelledRows:
    n = len(labels)
    return LabelledRows(
        columns={},
        labels=labels,
        probabilities=scores_of(n),
        model_versions=np.array(["1"] * n, dtype=object),
        request_ids=np.array([str(i) for i in range(n)], dtype=object),
        predicted_at=np.full(n, np.datetime64("2026-03-01")),
    )


@pytest.mark.parametrize("n_positive", [0, 1, 9, N - 9, N])
def test_a_version_with_too_few_labels_of_a_class_has_no_metrics(n_positive: int) -> None:
    (version,) = measure_production(production_of(labels_with(n_positive)), 100).versions
    assert version.verdict is Verdict.INSUFFICIENT_DATA
    assert (version.roc_auc, version.accuracy) == (None, None)
    assert version.positive_share == n_positive / N


def test_ten_positive_labels_are_enough_for_a_roc_auc() -> None:
    labels = labels_with(10)
    (version,) = measure_production(production_of(labels), 100).versions
    assert version.roc_auc == pytest.approx(auc_by_ranks(labels, scores_of()))


def test_a_version_with_too_few_labels_has_no_positive_share() -> None:
    (version,) = measure_production(production_of(labels_with(1, 1)), 100).versions
    assert (version.n_rows, version.positive_share) == (1, None)


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (labels_with(1, 1), "1 label has arrived; 100 are required"),
        (labels_with(40, 99), "99 labels have arrived; 100 are required"),
        (labels_with(9), "only 9 of 200 labels are 1; 10 are required"),
        (labels_with(N - 1), "only 1 of 200 labels are 0; 10 are required"),
        (labels_with(N), "all 200 labels are 1"),
    ],
)
def test_a_day_with_too_few_labels_has_a_reason_but_no_metric(labels: NDArray[np.int64], reason: str) -> None:
    document = document_of(labels)
    assert (document["reason"], document["realized"], document["reliability"]) == (reason, None, [])
    assert (document["positive_share"] is None) == (len(labels) < 100)


def test_a_day_with_too_few_rows_has_no_estimate() -> None:
    few, many = document_of(labels_with(40, 99))["estimated"], document_of(labels_with(40, 100))["estimated"]
    assert isinstance(few, dict)
    assert isinstance(many, dict)
    assert (few["roc_auc"], few["is_valid"]) == (None, False)
    assert many["roc_auc"] is not None


@pytest.mark.parametrize(("n_positive", "is_ranked"), [(9, False), (10, True)])
def test_a_shadow_model_needs_enough_labels_of_both_classes_for_a_roc_auc(n_positive: int, is_ranked: bool) -> None:
    labels, answered = labels_with(n_positive), scores_of()
    shadow = np.clip(answered + 0.01, 0, 1)
    at, versions = np.full(N, np.datetime64("2026-03-01", "us")), np.full(N, "1", dtype=object)
    decisions = (answered >= 0.5).astype(np.int64), (shadow >= 0.5).astype(np.int64)
    found = agreement("2", ShadowedRows(at, versions, answered, decisions[0], shadow, decisions[1], labels))
    assert found is not None
    assert found.labelled is not None
    expected = auc_by_ranks(labels, answered) if is_ranked else None
    assert found.labelled.answer_auc == pytest.approx(expected)
