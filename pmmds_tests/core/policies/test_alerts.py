"""When an alert is over: a row for each sentence of the policy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pmmds_core.policies.alerts import JudgedWindow, is_worse, why_resolved

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
STABLE, DRIFTED, FEW = "stable", "drifted", "insufficient_data"


def windows(*verdicts: str, version: str = "1") -> list[JudgedWindow]:
    """Newest first, an hour apart."""
    ends = [NOW - timedelta(hours=i) for i in range(len(verdicts))]
    return [
        JudgedWindow(end - timedelta(hours=24), end, version, verdict)
        for end, verdict in zip(ends, verdicts, strict=True)
    ]


@pytest.mark.parametrize(
    ("verdicts", "is_over"),
    [
        ((), False),
        ((STABLE,), False),
        ((STABLE, STABLE), False),
        ((STABLE, STABLE, STABLE), True),
        ((STABLE, STABLE, STABLE, DRIFTED), True),
        ((STABLE, STABLE, DRIFTED, STABLE), False),
        ((FEW, FEW, FEW, FEW), False),
        ((FEW, STABLE, STABLE, STABLE), False),
        ((STABLE, FEW, STABLE, FEW, STABLE), True),
        ((STABLE, FEW, STABLE), False),
    ],
)
def test_three_stable_windows_in_a_row_end_it_and_too_few_rows_never_do(
    verdicts: tuple[str, ...], is_over: bool
) -> None:
    assert (why_resolved(windows(*verdicts), "1", 3) is not None) == is_over


def test_the_same_window_judged_three_times_counts_once() -> None:
    again = windows(STABLE) * 3
    assert why_resolved(again, "1", 3) is None
    assert why_resolved(again, "1", 1) == "1 report in a row was stable."


def test_one_stable_report_against_a_new_reference_ends_it() -> None:
    new = windows(STABLE, version="2")
    assert why_resolved(new, "1", 3) == "The reference of v2 covers what drifted against v1."
    assert why_resolved(windows(FEW, version="2"), "1", 3) is None
    assert why_resolved(windows(DRIFTED, version="2"), "1", 3) is None
    assert why_resolved(windows(FEW, version="2") + new, "1", 3) is None, "nobody could look at the newest"


def test_only_what_is_above_all_so_far_is_worse() -> None:
    assert is_worse("major", ["significant"])
    assert not is_worse("major", ["significant", "major"])
    assert not is_worse("moderate", ["significant"])
