"""Generates traffic for demos and tests: rows like the reference, changed by named scenarios.

Add a scenario to SCENARIOS (any contract) or TELCO_SCENARIOS (needs named columns). Labels are sampled before a
scenario changes the features, so they stay the same. For the model, this is covariate shift, or concept drift if values
change their meaning. Not here: sending traffic (pmmds_cli/commands/traffic.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pmmds_core.contracts.contract import Contract, Feature
from pmmds_core.data.reader import SourceData
from pmmds_core.errors import UsageError
from pmmds_core.runtime.plurals import counted
from pmmds_core.synthetic.generator import Generator

if TYPE_CHECKING:
    import pandas as pd

Transform = Callable[["pd.DataFrame", Contract, np.random.Generator], None]

# For the scenarios `shift` and `one-feature`, the shift of a numeric feature as a share of its range, and the share of
# rows that are set to one category.
SHIFT_SHARE = 0.25
MOVED_SHARE = 0.4
NULL_SHARE = 0.1
PRICE_RISE = 1.10
MIGRATION_PRICE_RISE = 1.25


@dataclass(frozen=True)
class Scenario:
    """A named change.

    `transform` changes a frame in place, and all rows remain valid according to the contract. `features` has the
    required columns. The scenario is available only for contracts that have these columns.
    """

    name: str
    description: str
    transform: Transform
    features: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrafficBatch:
    """Rows under one scenario, with the features and the label as in SourceData.frame."""

    frame: pd.DataFrame
    scenario: str
    description: str


def traffic_rows(
    source: Generator | SourceData, contract: Contract, n_rows: int, scenario: str, seed: int
) -> TrafficBatch:
    """Draw rows and apply the scenario to them.

    Args:
        source: a generator, or real rows, which are drawn without replacement if there are enough.
        contract: columns and their limits.
        n_rows: number of rows.
        scenario: one of `scenarios(contract)`.
        seed: seed of the rows.

    Raises:
        UsageError: the scenario does not exist for this contract or has no effect.
    """
    chosen = find_scenario(contract, scenario)
    frame = apply_scenario(_draw(source, n_rows, seed), contract, scenario, seed)
    return TrafficBatch(frame, chosen.name, chosen.description)


def apply_scenario(frame: pd.DataFrame, contract: Contract, scenario: str, seed: int) -> pd.DataFrame:
    """Return a changed copy of `frame` with the same labels.

    Raises the same UsageError as `traffic_rows`.
    """
    chosen = find_scenario(contract, scenario)
    changed = frame.copy()
    chosen.transform(changed, contract, np.random.default_rng([seed, 1]))
    return changed


def scenarios(contract: Contract) -> dict[str, Scenario]:
    """Return the scenarios for this contract, by name."""
    features = set(contract.feature_names)
    return {s.name: s for s in (*SCENARIOS, *TELCO_SCENARIOS) if features >= set(s.features)}


def find_scenario(contract: Contract, name: str) -> Scenario:
    """Return the scenario with this name.

    Raises UsageError, which lists the available scenarios, if there is no such scenario.
    """
    allowed = scenarios(contract)
    if name not in allowed:
        lines = "".join(f"\n- {s.name}: {s.description}" for s in allowed.values())
        raise UsageError(f"Unknown scenario {name!r}.", next_step=f"Choose one of:{lines}")
    return allowed[name]


def _draw(source: Generator | SourceData, n_rows: int, seed: int) -> pd.DataFrame:
    if n_rows < 1:
        raise UsageError(f"Cannot draw {counted(n_rows, 'row')}.", next_step="Request at least one.")
    if isinstance(source, Generator):
        return source.sample(n_rows, seed)
    has_repeats = n_rows > source.n_rows
    return source.frame.sample(n_rows, replace=has_repeats, random_state=seed).reset_index(drop=True)


# Any contract


def _none(frame: pd.DataFrame, contract: Contract, rng: np.random.Generator) -> None:
    pass


def _shift(frame: pd.DataFrame, contract: Contract, rng: np.random.Generator) -> None:
    for feature in contract.features:
        _shift_feature(frame, feature, rng)


def _one_feature(frame: pd.DataFrame, contract: Contract, rng: np.random.Generator) -> None:
    _shift_feature(frame, contract.features[0], rng)


def _shift_feature(frame: pd.DataFrame, feature: Feature, rng: np.random.Generator) -> None:
    if feature.is_numeric:
        values = frame[feature.name].astype(np.float64)
        low, high = _limits(feature, values)
        _set_numbers(frame, feature, np.clip(values + SHIFT_SHARE * (high - low), low, high))
    else:
        is_moved = rng.random(len(frame)) < MOVED_SHARE
        frame.loc[is_moved & frame[feature.name].notna(), feature.name] = feature.values[-1]


def _nulls(frame: pd.DataFrame, contract: Contract, rng: np.random.Generator) -> None:
    nullable = [f for f in contract.features if f.is_nullable]
    if not nullable:
        raise UsageError(
            f"The scenario 'nulls' has no effect on {contract.name!r}: no feature is nullable.",
            next_step="Choose another scenario, or set `blank: {means: missing}` for a feature in the contract.",
        )
    for feature in nullable:
        is_lost = rng.random(len(frame)) < NULL_SHARE
        frame.loc[is_lost, feature.name] = np.nan if feature.is_numeric else None


def _recoding(frame: pd.DataFrame, contract: Contract, rng: np.random.Generator) -> None:
    for feature in contract.features:
        values = frame[feature.name]
        if feature.is_numeric:
            low, high = values.min(), values.max()
            _set_numbers(frame, feature, low + high - values.astype(np.float64))
        else:
            frame[feature.name] = values.map(dict(zip(feature.values, reversed(feature.values), strict=True))).where(
                values.isin(feature.values), values
            )


def _limits(feature: Feature, values: pd.Series[float]) -> tuple[float, float]:
    """Return the contract's range, or the range of the values if the contract does not specify a range."""
    low = float(values.min()) if feature.minimum is None else feature.minimum
    high = float(values.max()) if feature.maximum is None else feature.maximum
    return low, high


def _set_numbers(frame: pd.DataFrame, feature: Feature, values: Any) -> None:
    """Assign numbers in the type of the column. Integers are rounded."""
    rounded = values.round() if feature.type == "integer" else values
    frame[feature.name] = rounded.astype(frame[feature.name].dtype)


# Telco


def _raise_prices(frame: pd.DataFrame, contract: Contract, factor: float) -> None:
    """Raise the monthly charges. The total charges so far stay the same."""
    limit = contract.by_name["monthly_charges"].maximum
    frame["monthly_charges"] = (frame["monthly_charges"] * factor).round(2).clip(upper=limit)


def _price_rise(frame: pd.DataFrame, contract: Contract, rng: np.random.Generator) -> None:
    _raise_prices(frame, contract, PRICE_RISE)


def _month_to_month(frame: pd.DataFrame, contract: Contract, rng: np.random.Generator) -> None:
    has_term = frame["contract"] != "Month-to-month"
    frame.loc[has_term & (rng.random(len(frame)) < 1 / 3), "contract"] = "Month-to-month"


def _fiber(frame: pd.DataFrame, contract: Contract, rng: np.random.Generator) -> None:
    is_upgraded = (frame["internet_service"] == "DSL") & (rng.random(len(frame)) < MOVED_SHARE)
    frame.loc[is_upgraded, "internet_service"] = "Fiber optic"
    frame.loc[is_upgraded, "monthly_charges"] = (frame.loc[is_upgraded, "monthly_charges"] + 25.0).round(2)


def _migration(frame: pd.DataFrame, contract: Contract, rng: np.random.Generator) -> None:
    frame["payment_method"] = frame["payment_method"].replace({"Electronic check": "Credit card (automatic)"})
    frame["paperless_billing"] = "Yes"
    _raise_prices(frame, contract, MIGRATION_PRICE_RISE)
    frame["contract"] = frame["contract"].replace({"Month-to-month": "Two year", "Two year": "Month-to-month"})


SCENARIOS = (
    Scenario("none", "nothing changes", _none),
    Scenario(
        "shift",
        "numeric values increase by a quarter of their range, and 40% of each category change to its last value",
        _shift,
    ),
    Scenario(
        "one-feature",
        "like shift, but only for the contract's first feature, which is not enough for an alert",
        _one_feature,
    ),
    Scenario("nulls", "10% of the values of nullable features are missing", _nulls),
    Scenario(
        "recoding",
        "every number is mirrored in its range and every list of categories is reversed (an upstream change)",
        _recoding,
    ),
)

TELCO_SCENARIOS = (
    Scenario("price_rise", "monthly charges increase by 10%", _price_rise, ("monthly_charges",)),
    Scenario("month_to_month", "a third of the term contracts become month-to-month", _month_to_month, ("contract",)),
    Scenario(
        "fiber",
        "40% of the DSL customers switch to fiber for 25 dollars more per month",
        _fiber,
        ("internet_service", "monthly_charges"),
    ),
    Scenario(
        "migration",
        "a new billing system: electronic checks become credit cards, all bills are paperless, prices increase by 25%, "
        "and the codes of month-to-month and two-year contracts are swapped",
        _migration,
        ("contract", "payment_method", "paperless_billing", "monthly_charges"),
    ),
)
