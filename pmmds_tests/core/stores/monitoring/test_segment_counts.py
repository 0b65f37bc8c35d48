"""Segment counts equal those from numpy, stored windows do not overlap, and the newest rows are returned first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np
import pytest

from pmmds_core.contracts.contract import Contract
from pmmds_core.drift.comparison import compare
from pmmds_core.drift.policy import DriftRule, judge, report_document
from pmmds_core.drift.segments import SegmentCounts, check_segment_features, compare_segments
from pmmds_core.errors import UsageError
from pmmds_core.profiling.bins import SCORE
from pmmds_core.profiling.reference_profile import ReferenceProfile, count, fit_profile
from pmmds_core.profiling.reference_rows import ReferenceRows, code_rows, fit_reference_rows
from pmmds_core.statistics.verdict import Verdict
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.monitoring.drift_reports import DriftStore
from pmmds_core.stores.monitoring.drift_windows import Counts, DriftWindows, Window
from pmmds_core.stores.monitoring.segment_counts import SegmentStore
from pmmds_core.stores.predictions.log import PredictionLog, PredictionRecord
from pmmds_tests.harness.prediction_records import NOON, columns_of, make_records

HOUR = timedelta(hours=1)
END = NOON + 24 * HOUR


@pytest.fixture(scope="module")
def reference(contract: Contract) -> list[PredictionRecord]:
    return make_records(contract, 1500, seed=1)


def scores_of(records: list[PredictionRecord]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([r.probability for r in records])


@pytest.fixture(scope="module")
def profile(contract: Contract, reference: list[PredictionRecord]) -> ReferenceProfile:
    return fit_profile(contract, columns_of(contract, reference), scores_of(reference))


@pytest.fixture(scope="module")
def rows(contract: Contract, profile: ReferenceProfile, reference: list[PredictionRecord]) -> ReferenceRows:
    return fit_reference_rows(profile, columns_of(contract, reference), scores_of(reference), seed=0)


def test_binned_rows_match_the_profile_counts_and_round_trip_through_json(
    profile: ReferenceProfile, rows: ReferenceRows
) -> None:
    again = ReferenceRows.from_json(rows.to_json())
    assert again == rows
    for i, feature in enumerate(profile.with_score):
        assert tuple(np.bincount(again.codes[:, i], minlength=feature.bins.n_bins)) == feature.counts


def test_segment_counts_match_numpy(database: Database, contract: Contract, profile: ReferenceProfile) -> None:
    records = make_records(contract, 600, seed=2)
    PredictionLog(database, contract).append(records)
    PredictionLog(database, contract).append(make_records(contract, 9, seed=3, version="2", prefix="other"))
    found = SegmentStore(database, contract).counts(profile, contract.model_name, "1", NOON, END, "contract")
    at = contract.feature_names.index("contract")
    assert sum(s.n_rows for s in found) == 600
    for segment in found:
        own = [r for r in records if r.features[at] == segment.value]
        columns = {**columns_of(contract, own), SCORE: scores_of(own)}
        assert segment.n_rows == len(own)
        for feature in profile.with_score:
            expected = count(feature.bins, columns[feature.bins.feature])
            assert list(segment.counts[feature.bins.feature]) == list(expected)


def test_the_newest_rows_are_returned_first(database: Database, contract: Contract, profile: ReferenceProfile) -> None:
    records = make_records(contract, 50, seed=4)
    PredictionLog(database, contract).append(records)
    found = PredictionLog(database, contract).newest_columns(contract.model_name, "1", NOON, END, 20)
    newest = records[:-21:-1]
    expected = {**columns_of(contract, newest), SCORE: scores_of(newest)}
    assert np.array_equal(code_rows(profile, found), code_rows(profile, expected))
    nothing = PredictionLog(database, contract).newest_columns(contract.model_name, "7", NOON, END, 20)
    assert code_rows(profile, nothing).shape == (0, 20)


@pytest.fixture
def save(database: Database, profile: ReferenceProfile) -> Callable[[datetime, Counts], None]:
    def saved(start: datetime, counts: Counts) -> None:
        features = compare(profile, counts, 200)
        verdict = judge(features, 10_000, 200, DriftRule(0.2, 3, 100))
        DriftStore(database).save(
            report_document(profile, features, 200, verdict),
            drifted_features=(),
            model_name="m",
            model_version="1",
            window_start=start,
            window_end=start + 24 * HOUR,
            html_path="",
            run_id="",
        )

    return saved


def test_windows_of_hourly_reports_do_not_overlap(
    database: Database, contract: Contract, profile: ReferenceProfile, save: Callable[[datetime, Counts], None]
) -> None:
    judged = []
    for i in range(60):
        records = make_records(contract, 200, seed=i)
        columns = {**columns_of(contract, records), SCORE: scores_of(records)}
        judged.append({f.bins.feature: count(f.bins, columns[f.bins.feature]) for f in profile.with_score})
        save(NOON + i * HOUR, judged[-1])
    current = Window(None, NOON + 72 * HOUR, NOON + 96 * HOUR)
    found, end = DriftWindows(database).of_version("m", "1", profile, current, judged[5], 100)
    assert end == current.end
    for counts, expected in zip(found, [judged[0], judged[24], judged[48], judged[5]], strict=True):
        for name, values in expected.items():
            assert list(counts[name]) == list(values)
    early = Window(None, NOON + 71 * HOUR, NOON + 95 * HOUR)
    found, end = DriftWindows(database).of_version("m", "1", profile, early, judged[5], 100)
    assert (len(found), end) == (3, NOON + 72 * HOUR), "the window starts before the previous one ended"
    found, _ = DriftWindows(database).of_version("m", "1", profile, current, judged[5], 2)
    assert len(found) == 2
    assert DriftWindows(database).of_version("m", "2", profile, current, {}, 9) == ([], None)


def segment(
    profile: ReferenceProfile, records: list[PredictionRecord], contract: Contract, value: str
) -> SegmentCounts:
    columns = {**columns_of(contract, records), SCORE: scores_of(records)}
    counts = {f.bins.feature: count(f.bins, columns[f.bins.feature]) for f in profile.with_score}
    return SegmentCounts("contract", value, len(records), counts)


def test_a_shift_in_one_segment_is_detected_in_that_segment(
    contract: Contract, profile: ReferenceProfile, rows: ReferenceRows
) -> None:
    one_year = make_records(contract, 150, seed=5, overrides={"contract": "One year"})
    two_year = make_records(contract, 150, seed=6, overrides={"contract": "Two year", "tenure": 3})
    monthly = make_records(contract, 40, seed=7, overrides={"contract": "Month-to-month"})
    found = compare_segments(
        profile,
        rows.codes,
        [
            segment(profile, monthly, contract, "Month-to-month"),
            segment(profile, one_year, contract, "One year"),
            segment(profile, two_year, contract, "Two year"),
        ],
        false_alarm_rate=0.05,
        min_samples=100,
    )
    assert [s.verdict for s in found] == [Verdict.INSUFFICIENT_DATA, Verdict.STABLE, Verdict.DRIFTED]
    assert found[2].worst_feature == "tenure"
    assert found[2].worst_q_value is not None
    assert found[2].worst_q_value < 1e-6
    assert found[2].reasons[0].startswith("tenure: at most ")
    assert found[0].reasons == (f"40 rows against {found[0].n_reference:,}; at least 100 on each side are required.",)


def test_many_segments_do_not_raise_false_alarms(
    contract: Contract, profile: ReferenceProfile, rows: ReferenceRows
) -> None:
    n_alarms = 0
    for i in range(60):
        segments = [
            segment(profile, make_records(contract, 120, seed=1000 + 3 * i + j, overrides={"contract": v}), contract, v)
            for j, v in enumerate(("Month-to-month", "One year", "Two year"))
        ]
        found = compare_segments(profile, rows.codes, segments, false_alarm_rate=0.05, min_samples=100)
        n_alarms += any(s.verdict is Verdict.DRIFTED for s in found)
    assert n_alarms <= 9, "3 of 60 are expected; testing each of 54 features at 5% would almost always raise an alarm"


@pytest.mark.parametrize("name", ["tenure", "planet"])
def test_segmentation_requires_a_categorical_feature(contract: Contract, name: str) -> None:
    with pytest.raises(UsageError, match=f"'{name}', which is not a categorical feature"):
        check_segment_features(contract, [name])
