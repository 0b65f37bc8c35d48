"""Traffic for demos and tests: rows like the reference, and named scenarios of what may happen to them later.

Add a scenario to SCENARIOS (any contract) or to TELCO_SCENARIOS (it names columns). Keep out: sending (the CLI).

Labels are drawn before a scenario changes the features: the customers stay who they are, only their data changes.
That is covariate shift for the model that reads the data, and, where a code changes its meaning, concept drift.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pmmds_core.contracts.contract import Contract, Feature
from pmmds_core.data.reader import SourceData
from pmmds_core.errors import UsageError
from pmmds_core.synthetic.generator import Generator

if TYPE_CHECKING:
    import pandas as pd

Transform = Callable[["pd.DataFrame", Contract, np.random.Generator], None]

# `shift` and `one-feature` move a numeric feature by this share of its range, and this share of rows to one value.
SHIFT_SHARE = 0.25
MOVED_SHARE = 0.4
NULL_SHARE = 0.1
PRICE_RISE = 1.10
MIGRATION_PRICE_RISE = 1.25


@dataclass(frozen=True)
class Scenario:
    """A named change. `transform` changes a frame in place; every row stays valid under the contract.

    `features`: columns it needs; it is offered only for contracts that have them.
    """

    name: str
    description: str
    transform: Transform
    features: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrafficBatch:
    """Rows (features and label, as SourceData.frame) under one scenario."""

    frame: pd.DataFrame
    scenario: str
    description: str


def traffic_rows(
    source: Generator | SourceData, contract: Contract, n_rows: int, scenario: str, seed: int
) -> TrafficBatch:
    """Draw rows and let the scenario happen to them.

    Args:
        source: a generator gives rows of its own; real rows are drawn without replacement while there are enough.
        contract: names the columns and their limits.
        n_rows: how many.
        scenario: one of `scenarios(contract)`.
        seed: the same seed, the same rows.

    Raises:
        UsageError: the scenario is unknown for this contract, or cannot do anything to it.
    """
    chosen = find_scenario(contract, scenario)
    frame = apply_scenario(_draw(source, n_rows, seed), contract, scenario, seed)
    return TrafficBatch(frame, chosen.name, chosen.description)


def apply_scenario(frame: pd.DataFrame, contract: Contract, scenario: str, seed: int) -> pd.DataFrame:
    """A changed copy of `frame`; the label, when there is one, is left as it is. Raises UsageError."""
    chosen = find_scenario(contract, scenario)
    changed = frame.copy()
    chosen.transform(changed, contract, np.random.default_rng([seed, 1]))
    return changed


def scenarios(contract: Contract) -> dict[str, Scenario]:
    """The scenarios that can happen to rows of this contract, by name."""
    known = set(contract.feature_names)
    return {s.name: s for s in (*SCENARIOS, *TELCO_SCENARIOS) if known >= set(s.features)}


def find_scenario(contract: Contract, name: str) -> Scenario:
    """Raises UsageError with the allowed names."""
    allowed = scenarios(contract)
    if name not in allowed:
        lines = "".join(f"\n- {s.name}: {s.description}" for s in allowed.values())
        raise UsageError(f"Unknown scenario {name!r}.", next_step=f"Choose one of:{lines}")
    return allowed[name]


def _draw(source: Generator | SourceData, n_rows: int, seed: int) -> pd.DataFrame:
    if n_rows < 1:
        raise UsageError(f"Cannot draw {n_rows} rows.", next_step="Ask for at least one.")
    if isinstance(source, Generator):
        return source.sample(n_rows, seed)
    again = n_rows > source.n_rows
    return source.frame.sample(n_rows, replace=again, random_state=seed).reset_index(drop=True)


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
            f"The scenario 'nulls' does nothing to {contract.name!r}: no feature may be missing.",
            next_step="Choose another one, or give a feature `blank: {means: missing}` in the contract.",
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
    """The range of the contract, or of the values where the contract has none."""
    low = float(values.min()) if feature.minimum is None else feature.minimum
    high = float(values.max()) if feature.maximum is None else feature.maximum
    return low, high


def _set_numbers(frame: pd.DataFrame, feature: Feature, values: Any) -> None:
    """Put numbers back in the column's own type; whole ones rounded."""
    kept = values.round() if feature.type == "integer" else values
    frame[feature.name] = kept.astype(frame[feature.name].dtype)


# Telco


def _raise_prices(frame: pd.DataFrame, contract: Contract, factor: float) -> None:
    """Bills grow from now on; what was charged so far stays."""
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
    Scenario("shift", "numbers move up by a quarter of their range, 40 % of each category to its last value", _shift),
    Scenario("one-feature", "as shift, the contract's first feature only: not enough for an alert", _one_feature),
    Scenario("nulls", "10 % of the values that may be missing are", _nulls),
    Scenario(
        "recoding", "an upstream change mirrors every number in its range and reverses every code list", _recoding
    ),
)

TELCO_SCENARIOS = (
    Scenario("price_rise", "monthly charges up by 10 %", _price_rise, ("monthly_charges",)),
    Scenario("month_to_month", "a third of the term contracts become month-to-month", _month_to_month, ("contract",)),
    Scenario(
        "fiber",
        "40 % of the DSL customers get fiber, for 25 dollars a month more",
        _fiber,
        ("internet_service", "monthly_charges"),
    ),
    Scenario(
        "migration",
        "a new billing system: electronic checks become credit cards, all bills paperless, prices up by 25 %, and the "
        "codes of month-to-month and two-year contracts trade places",
        _migration,
        ("contract", "payment_method", "paperless_billing", "monthly_charges"),
    ),
)
