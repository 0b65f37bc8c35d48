"""Replayed alerts, compared with alerts that were worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pmmds_core.policies.alert_replay import ReplayedAlert, replay_alerts
from pmmds_core.policies.alert_resolution import JudgedWindow
from pmmds_core.statistics.verdict import Verdict

START = datetime(2026, 3, 1, tzinfo=UTC)
WORDS = {"D": Verdict.DRIFTED, "s": Verdict.STABLE, "?": Verdict.INSUFFICIENT_DATA}


def windows(verdicts: str, versions: str = "") -> list[JudgedWindow]:
    """An hourly window per letter: D drifted, s stable, ? too few rows."""
    return [
        JudgedWindow(at(i - 1), at(i), version, WORDS[letter])
        for i, (letter, version) in enumerate(zip(verdicts, versions or "1" * len(verdicts), strict=True))
    ]


def at(hour: int) -> datetime:
    return START + timedelta(hours=hour)


def test_consecutive_drifted_reports_are_one_alert() -> None:
    assert replay_alerts(windows("sDDDs"), 2) == [ReplayedAlert(at(1), at(3), 3, None)]


def test_enough_stable_reports_resolve_an_alert() -> None:
    expected = [ReplayedAlert(at(0), at(0), 1, at(2)), ReplayedAlert(at(3), at(3), 1, None)]
    assert replay_alerts(windows("DssD"), 2) == expected


def test_too_few_stable_reports_leave_the_alert_open() -> None:
    assert replay_alerts(windows("DsDs"), 2) == [ReplayedAlert(at(0), at(2), 2, None)]


def test_windows_with_too_few_rows_neither_resolve_nor_interrupt() -> None:
    assert replay_alerts(windows("Ds?s"), 2) == [ReplayedAlert(at(0), at(0), 1, at(3))]


def test_a_stable_report_of_another_version_resolves_an_alert() -> None:
    assert replay_alerts(windows("Ds", "12"), 3) == [ReplayedAlert(at(0), at(0), 1, at(1))]


def test_no_reports_raise_no_alert() -> None:
    assert replay_alerts([], 3) == []
