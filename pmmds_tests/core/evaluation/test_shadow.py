"""Figures of the shadow agreement, each compared with its definition, and the summary text."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from scipy.stats import binomtest

from pmmds_core.evaluation.shadow import ShadowAgreement, ShadowedRows, agreement
from pmmds_core.reports.shadow_text import NOTHING_SHADOWED, shadow_text, to_document

N = 400


def rows(seed: int = 5, *, n: int = N, n_labelled: int = 300) -> ShadowedRows:
    rng = np.random.default_rng(seed)
    answered = rng.uniform(0, 1, n)
    shadow = np.clip(answered + rng.normal(0.02, 0.1, n), 0, 1)
    labels = (rng.uniform(0, 1, n) < shadow).astype(np.int64)
    labels[n_labelled:] = -1
    at = np.datetime64("2026-03-01T00:00:00", "us") + np.arange(n) * np.timedelta64(1, "s")
    versions = np.array(["1"] * (n // 2) + ["2"] * (n - n // 2), dtype=object)
    decisions = (answered >= 0.5).astype(np.int64), (shadow >= 0.5).astype(np.int64)
    return ShadowedRows(at, versions, answered, decisions[0], shadow, decisions[1], labels)


@pytest.fixture
def found() -> ShadowAgreement:
    measured = agreement("3", rows())
    assert measured is not None
    return measured


def test_no_agreement_is_reported_without_rows() -> None:
    assert agreement("3", rows(n=0, n_labelled=0)) is None
    assert shadow_text(None) == NOTHING_SHADOWED


def test_the_figures_of_the_agreement_match_their_definitions(found: ShadowAgreement) -> None:
    given = rows()
    changed = given.shadow_decision != given.answered_decision
    assert found.n_rows == N
    assert found.answered_by == {"1": 200, "2": 200}
    assert found.changed_share == pytest.approx(changed.mean())
    assert found.changed_low < found.changed_share < found.changed_high
    assert found.n_to_positive + found.n_to_negative == changed.sum()
    assert found.n_to_positive == ((given.shadow >= 0.5) & (given.answered < 0.5)).sum()
    difference = given.shadow - given.answered
    assert found.mean_difference == pytest.approx(difference.mean())
    assert found.largest_difference == pytest.approx(np.abs(difference).max())
    assert found.quantiles["0.5"] == pytest.approx(np.median(difference))
    assert found.correlation == pytest.approx(np.corrcoef(given.shadow, given.answered)[0, 1])
    assert (found.window_start.isoformat(), found.window_end.minute) == ("2026-03-01T00:00:00+00:00", 6)


def test_labeled_disagreements_are_tested_with_the_exact_sign_test(found: ShadowAgreement) -> None:
    given, labelled = rows(), found.labelled
    assert labelled is not None
    known = given.labels >= 0
    changed = known & (given.shadow_decision != given.answered_decision)
    right = int((given.shadow_decision == given.labels)[changed].sum())
    assert (labelled.n_labelled, labelled.n_changed) == (300, changed.sum())
    assert (labelled.challenger_right, labelled.answer_right) == (right, changed.sum() - right)
    assert labelled.p_value == pytest.approx(binomtest(right, int(changed.sum())).pvalue)
    assert labelled.challenger_auc is not None
    assert labelled.answer_auc is not None
    assert labelled.challenger_auc > labelled.answer_auc


@pytest.mark.parametrize(("right", "n"), [(0, 1), (3, 7), (50, 100), (480, 1000), (20_100, 40_000)])
def test_the_sign_test_is_exact_for_few_and_many_rows(right: int, n: int) -> None:
    """The models disagree on `n` labeled rows, and the challenger is correct on `right` of them."""
    labels = np.array([1] * right + [0] * (n - right), dtype=np.int64)
    at, versions = np.full(n, np.datetime64("2026-03-01", "us")), np.full(n, "1", dtype=object)
    zeros, ones = np.zeros(n, dtype=np.int64), np.ones(n, dtype=np.int64)
    measured = agreement("2", ShadowedRows(at, versions, np.full(n, 0.4), zeros, np.full(n, 0.6), ones, labels))
    assert measured is not None
    assert measured.labelled is not None
    assert measured.labelled.p_value == pytest.approx(binomtest(right, n).pvalue, rel=1e-6)
    assert measured.correlation is None
    assert measured.changed_share == 1.0


def test_correctness_is_not_compared_without_labels() -> None:
    measured = agreement("3", rows(n_labelled=0))
    assert measured is not None
    assert measured.labelled is None
    assert shadow_text(to_document(measured)).endswith("has a label yet.")


def test_the_agreement_is_valid_json_and_its_text_states_the_figures(found: ShadowAgreement) -> None:
    document = msgspec.json.decode(msgspec.json.encode(to_document(found)))
    assert document == to_document(found)
    said = shadow_text(document)
    assert "v3 scored 400 live requests (2026-03-01 00:00 to 2026-03-01 00:06 UTC)" in said
    assert f"{found.changed_share:.1%} of the predictions differ" in said
    assert "disagree on" in said
