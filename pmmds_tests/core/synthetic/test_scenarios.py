"""Every scenario is deterministic, changes only the columns it describes, and keeps rows valid."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from pmmds_core.contracts.contract import Contract, load_contract, parse_contract
from pmmds_core.contracts.request_validator import compile_validator
from pmmds_core.data.digests import content_digest
from pmmds_core.data.pandera_schema import check_frame
from pmmds_core.data.reader import SourceData
from pmmds_core.errors import UsageError
from pmmds_core.models.scorer_compiler import rows_of
from pmmds_core.synthetic.generator import packaged_generator
from pmmds_core.synthetic.scenarios import (
    MOVED_SHARE,
    NULL_SHARE,
    PRICE_RISE,
    SHIFT_SHARE,
    apply_scenario,
    find_scenario,
    scenarios,
    traffic_rows,
)

TELCO = load_contract("")
N_ROWS = 2000

SENSORS = parse_contract(
    """
name: sensors
model_name: sensors
description: Two readings and a place, all of which may be missing, and a count that may not.
label: {name: broken, source: broken, positive: "1", negative: "0"}
features:
  - {name: heat, source: heat, kind: numeric, type: float, description: d, example: "3", blank: {means: missing}}
  - {name: turns, source: turns, kind: numeric, type: integer, description: d, example: "3", minimum: 0, maximum: 50}
  - {name: place, source: place, kind: categorical, type: string, values: [roof, hall, yard], also_accepted: [attic],
     description: d, example: roof, blank: {means: missing}}
""",
    "sensors.yaml",
)


def sensor_rows() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    places = np.array(["roof", "hall", "yard", "attic", None], dtype=object)
    place = rng.choice(places, N_ROWS, p=[0.4, 0.3, 0.2, 0.05, 0.05])
    heat = np.where(rng.random(N_ROWS) < 0.05, np.nan, rng.normal(20, 4, N_ROWS))
    turns = rng.integers(0, 41, N_ROWS)
    return pd.DataFrame({"heat": heat, "turns": turns, "place": place, "broken": rng.integers(0, 2, N_ROWS)})


def telco_rows() -> pd.DataFrame:
    return packaged_generator().sample(N_ROWS, seed=6)


# Each case has a contract, its rows and a scenario that changes them.
CASES = [
    pytest.param(contract, rows, name, id=f"{contract.name}-{name}")
    for contract, rows in ((TELCO, telco_rows), (SENSORS, sensor_rows))
    for name in scenarios(contract)
    if (contract, name) != (TELCO, "nulls")
]
CHANGED_COLUMNS: dict[str, dict[str, set[str]]] = {
    "telco_churn": {
        "none": set(),
        # A quarter of the range of a 0/1 flag rounds to zero.
        "shift": set(TELCO.feature_names) - {"senior_citizen"},
        "one-feature": {"gender"},
        "recoding": set(TELCO.feature_names),
        "price_rise": {"monthly_charges"},
        "month_to_month": {"contract"},
        "fiber": {"internet_service", "monthly_charges"},
        "migration": {"contract", "payment_method", "paperless_billing", "monthly_charges"},
    },
    "sensors": {
        "none": set(),
        "shift": {"heat", "turns", "place"},
        "one-feature": {"heat"},
        "nulls": {"heat", "place"},
        "recoding": {"heat", "turns", "place"},
    },
}


@pytest.mark.parametrize(("contract", "rows", "name"), CASES)
def test_a_scenario_changes_only_the_columns_it_describes(
    contract: Contract, rows: Callable[[], pd.DataFrame], name: str
) -> None:
    before = rows()
    untouched = before.copy()
    after = apply_scenario(before, contract, name, seed=1)
    pd.testing.assert_frame_equal(before, untouched)
    changed = {column for column in before if not before[column].equals(after[column])}
    assert changed == CHANGED_COLUMNS[contract.name][name]
    assert list(after.columns) == list(before.columns)


@pytest.mark.parametrize(("contract", "rows", "name"), CASES)
def test_rows_changed_by_a_scenario_are_valid_in_files_and_requests(
    contract: Contract, rows: Callable[[], pd.DataFrame], name: str
) -> None:
    after = apply_scenario(rows(), contract, name, seed=1)
    assert check_frame(after, contract).failures == ()
    validate = compile_validator(contract)
    for row in rows_of(after.head(300), contract):
        assert validate(dict(zip(contract.feature_names, row, strict=True))).errors == ()


@pytest.mark.parametrize(("contract", "rows", "name"), CASES)
def test_a_scenario_is_deterministic(contract: Contract, rows: Callable[[], pd.DataFrame], name: str) -> None:
    first, second = (content_digest(apply_scenario(rows(), contract, name, seed=7)) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("name", ["shift", "one-feature", "month_to_month", "fiber"])
def test_a_different_seed_changes_different_rows(name: str) -> None:
    first, other = (apply_scenario(telco_rows(), TELCO, name, seed) for seed in (1, 2))
    assert content_digest(first) != content_digest(other)


def test_the_shift_scenario_adds_a_quarter_of_the_range_and_clips_values() -> None:
    before, after = telco_rows(), apply_scenario(telco_rows(), TELCO, "shift", seed=1)
    expected = (before["monthly_charges"] + SHIFT_SHARE * 200).clip(upper=200)
    np.testing.assert_allclose(after["monthly_charges"], expected)
    assert (after["tenure"] == (before["tenure"] + 25).clip(upper=100)).all()


def test_the_shift_scenario_uses_the_observed_range_if_there_are_no_limits() -> None:
    before, after = sensor_rows(), apply_scenario(sensor_rows(), SENSORS, "shift", seed=1)
    low, high = before["heat"].min(), before["heat"].max()
    np.testing.assert_allclose(after["heat"], (before["heat"] + SHIFT_SHARE * (high - low)).clip(upper=high))


def test_the_shift_scenario_sets_a_share_of_rows_to_the_last_category() -> None:
    before, after = telco_rows(), apply_scenario(telco_rows(), TELCO, "shift", seed=1)
    others = before["contract"] != "Two year"
    assert (after.loc[others, "contract"] == "Two year").mean() == pytest.approx(MOVED_SHARE, abs=0.04)
    assert (after.loc[~others, "contract"] == "Two year").all()


def test_the_nulls_scenario_removes_a_tenth_of_nullable_values() -> None:
    before, after = sensor_rows(), apply_scenario(sensor_rows(), SENSORS, "nulls", seed=1)
    for name in ("heat", "place"):
        known = before[name].notna()
        assert after.loc[known, name].isna().mean() == pytest.approx(NULL_SHARE, abs=0.025)
        assert after.loc[~known, name].isna().all()


def test_the_nulls_scenario_is_rejected_without_nullable_features() -> None:
    with pytest.raises(UsageError, match="no feature is nullable") as caught:
        apply_scenario(telco_rows(), TELCO, "nulls", seed=1)
    assert "blank: {means: missing}" in caught.value.next_step


@pytest.mark.parametrize(("contract", "rows"), [(TELCO, telco_rows), (SENSORS, sensor_rows)])
def test_applying_the_recoding_scenario_twice_restores_the_rows(
    contract: Contract, rows: Callable[[], pd.DataFrame]
) -> None:
    before = rows()
    once = apply_scenario(before, contract, "recoding", seed=1)
    twice = apply_scenario(once, contract, "recoding", seed=1)
    pd.testing.assert_frame_equal(twice, before)
    for feature in contract.features:
        if feature.is_numeric:
            assert once[feature.name].mean() == pytest.approx(
                before[feature.name].min() + before[feature.name].max() - before[feature.name].mean()
            )
        else:
            first, last = feature.values[0], feature.values[-1]
            assert (once[feature.name] == last).equals(before[feature.name] == first)


def test_the_price_rise_scenario_adds_ten_percent_rounded_to_cents() -> None:
    before, after = telco_rows(), apply_scenario(telco_rows(), TELCO, "price_rise", seed=1)
    np.testing.assert_allclose(after["monthly_charges"], before["monthly_charges"] * PRICE_RISE, atol=0.0051)


def test_the_month_to_month_scenario_changes_a_third_of_the_term_contracts() -> None:
    before, after = telco_rows(), apply_scenario(telco_rows(), TELCO, "month_to_month", seed=1)
    has_term = before["contract"] != "Month-to-month"
    assert (after.loc[has_term, "contract"] == "Month-to-month").mean() == pytest.approx(1 / 3, abs=0.05)
    changed = before["contract"] != after["contract"]
    assert set(after.loc[changed, "contract"]) == {"Month-to-month"}


def test_the_fiber_scenario_changes_dsl_customers_and_their_charges() -> None:
    before, after = telco_rows(), apply_scenario(telco_rows(), TELCO, "fiber", seed=1)
    upgraded = before["internet_service"] != after["internet_service"]
    assert set(before.loc[upgraded, "internet_service"]) == {"DSL"}
    assert set(after.loc[upgraded, "internet_service"]) == {"Fiber optic"}
    assert upgraded.sum() / (before["internet_service"] == "DSL").sum() == pytest.approx(MOVED_SHARE, abs=0.06)
    rise = after["monthly_charges"] - before["monthly_charges"]
    np.testing.assert_allclose(rise, np.where(upgraded, 25.0, 0.0), atol=1e-9)


def test_the_migration_scenario_swaps_contract_codes_and_payment_methods() -> None:
    before, after = telco_rows(), apply_scenario(telco_rows(), TELCO, "migration", seed=1)
    swapped = {"Month-to-month": "Two year", "Two year": "Month-to-month", "One year": "One year"}
    assert after["contract"].equals(before["contract"].map(swapped))
    was_check = before["payment_method"] == "Electronic check"
    assert set(after.loc[was_check, "payment_method"]) == {"Credit card (automatic)"}
    assert set(after["paperless_billing"]) == {"Yes"}


def test_the_error_for_an_unknown_scenario_lists_the_available_scenarios() -> None:
    for contract in (TELCO, SENSORS):
        with pytest.raises(UsageError, match="Unknown scenario 'earthquake'") as caught:
            find_scenario(contract, "earthquake")
        offered = [line[2:].split(":")[0] for line in caught.value.next_step.splitlines()[1:]]
        assert offered == list(scenarios(contract))
    assert "migration" in scenarios(TELCO)
    assert "migration" not in scenarios(SENSORS)


def test_simulated_traffic_consists_of_generated_rows_changed_by_a_scenario() -> None:
    batch = traffic_rows(packaged_generator(), TELCO, 300, "price_rise", seed=9)
    expected = apply_scenario(packaged_generator().sample(300, 9), TELCO, "price_rise", seed=9)
    pd.testing.assert_frame_equal(batch.frame, expected)
    assert (batch.scenario, batch.description) == ("price_rise", "monthly charges increase by 10%")


def test_real_rows_are_drawn_without_replacement_if_possible() -> None:
    frame = sensor_rows()
    frame["heat"] = np.arange(N_ROWS, dtype=np.float64)
    source = SourceData("sensors", frame, None, N_ROWS, content_digest(frame))
    all_rows = traffic_rows(source, SENSORS, N_ROWS, "none", seed=2).frame
    assert sorted(all_rows["heat"]) == frame["heat"].tolist()
    assert traffic_rows(source, SENSORS, N_ROWS, "none", seed=2).frame.equals(all_rows)
    assert len(traffic_rows(source, SENSORS, N_ROWS + 1, "none", seed=2).frame) == N_ROWS + 1


def test_simulated_traffic_of_zero_rows_is_rejected() -> None:
    with pytest.raises(UsageError, match="Cannot draw 0 rows"):
        traffic_rows(packaged_generator(), TELCO, 0, "none", seed=1)
