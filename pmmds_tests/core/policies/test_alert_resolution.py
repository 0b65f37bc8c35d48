"""When an alert is resolved: one test case per rule of the policy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pmmds_core.policies.alert_resolution import JudgedWindow, is_worse, why_resolved

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
STABLE, DRIFTED, FEW = "stable", "drifted", "insufficient_data"


def windows(*verdicts: str, version: str = "1") -> list[JudgedWindow]:
    """Return one window per verdict, newest first, an hour apart."""
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
def test_consecutive_stable_windows_resolve_an_alert(verdicts: tuple[str, ...], is_over: bool) -> None:
    assert (why_resolved(windows(*verdicts), "1", 3) is not None) == is_over


def test_several_reports_on_the_same_window_count_once() -> None:
    again = windows(STABLE) * 3
    assert why_resolved(again, "1", 3) is None
    assert why_resolved(again, "1", 1) == "1 report in a row was stable."


def test_one_stable_report_against_a_new_reference_resolves_an_alert() -> None:
    new = windows(STABLE, version="2")
    assert "the reference of v2" in (why_resolved(new, "1", 3) or "")
    assert why_resolved(windows(FEW, version="2"), "1", 3) is None
    assert why_resolved(windows(DRIFTED, version="2"), "1", 3) is None
    assert why_resolved(windows(FEW, version="2") + new, "1", 3) is None, (
        "too few rows in the newest window keep the alert open"
    )


def test_a_severity_is_worse_only_if_it_exceeds_all_previous_ones() -> None:
    assert is_worse("major", ["significant"])
    assert not is_worse("major", ["significant", "major"])
    assert not is_worse("moderate", ["significant"])
