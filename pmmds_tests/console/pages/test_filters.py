"""Template filters format times, ages, figures and first sentences."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pmmds_console.pages.filters import figure, first_sentence, when
from pmmds_console.pages.quality import age


def test_a_time_is_machine_readable() -> None:
    at = datetime(2026, 3, 1, 7, 5, tzinfo=UTC)
    assert when(at) == '<time datetime="2026-03-01T07:05:00Z">2026-03-01 07:05</time>'
    assert when(None) == "–"


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("4 of 19 features have a PSI above 0.2. The rule requires 3.", "4 of 19 features have a PSI above 0.2."),
        ("roc_auc: 0.82 vs 0.80 (+0.02).", "roc_auc: 0.82 vs 0.80 (+0.02)."),
        ("no period", "no period"),
    ],
)
def test_first_sentence_ends_before_a_capital_letter(text: str, first: str) -> None:
    assert first_sentence(text) == first


def test_a_figure_has_four_significant_digits() -> None:
    assert [figure(v) for v in (0.0209762, 7.71352e-05, 1800, "passed", None)] == [
        "0.02098",
        "7.714e-05",
        "1800",
        "passed",
        "–",
    ]


@pytest.mark.parametrize(
    ("since", "text"),
    [
        (timedelta(seconds=40), "now"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(minutes=119), "119 minutes ago"),
        (timedelta(hours=3), "3 hours ago"),
        (timedelta(hours=47), "47 hours ago"),
        (timedelta(days=12), "12 days ago"),
        (timedelta(seconds=-5), "now"),
    ],
)
def test_age_uses_the_largest_unit_with_two(since: timedelta, text: str) -> None:
    assert age(since) == text
