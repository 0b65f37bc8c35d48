"""Compiles a contract into a request validator that reports all errors in the contract's order.

Not here: HTTP and gRPC (pmmds_serving), checks of data frames (data/pandera_schema.py).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pmmds_core.contracts.cells import category_of, spelling_of
from pmmds_core.contracts.contract import Contract, Feature, FeatureValue
from pmmds_core.runtime.plurals import counted

MESSAGE = "Inference payload validation failed"

# The rejected value in an error message is cut to this many characters.
_MAX_ECHO = 80

# The numbers that both databases store exactly: 64-bit integers and finite doubles.
_MAX_INTEGER, _MAX_FLOAT = 2**63 - 1, sys.float_info.max


class InvalidValueError(ValueError):
    """Raised for a value that the contract does not allow. The message is sent to the client."""


@dataclass(frozen=True, slots=True)
class CheckedRow:
    """A validated payload. `row` is in the contract's order, or None if there are errors."""

    row: tuple[FeatureValue, ...] | None
    errors: tuple[str, ...]
    warnings: tuple[str, ...]


Check = Callable[[Any], FeatureValue]
RowValidator = Callable[[Any], CheckedRow]


def compile_validator(contract: Contract) -> RowValidator:
    """Compile a function that converts the decoded `features` object to a CheckedRow.

    A missing feature is an error even if the feature is nullable, because an omitted column is not a missing value. An
    unknown feature is a warning. For a numeric feature, booleans, numbers as text and non-finite numbers are errors.
    """
    checks = tuple((feature.name, _check_of(feature)) for feature in contract.features)
    known = frozenset(contract.feature_names)
    n_features = len(checks)

    def validate(features: Any) -> CheckedRow:
        if not isinstance(features, Mapping):
            return CheckedRow(None, (f"features: expected an object with {counted(n_features, 'feature')}",), ())
        values: list[FeatureValue] = []
        errors: list[str] = []
        for name, check in checks:
            if name not in features:
                errors.append(f"Missing required feature: {name}")
                continue
            try:
                values.append(check(features[name]))
            except InvalidValueError as error:
                errors.append(str(error))
        n_known = len(values) + len(errors)
        unknown = [n for n in features if n not in known] if len(features) > n_known or errors else []
        warnings = tuple(f"Unknown feature ignored: {_short(str(name))}" for name in unknown)
        return CheckedRow(None if errors else tuple(values), tuple(errors), warnings)

    return validate


def _check_of(feature: Feature) -> Check:
    check = _numeric_check(feature) if feature.is_numeric else _categorical_check(feature)
    return _nullable(check) if feature.is_nullable else check


def _nullable(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


def _categorical_check(feature: Feature) -> Check:
    allowed, expected = frozenset(feature.all_values), "one of: " + ", ".join(feature.all_values)
    spelling = spelling_of(allowed)
    written = {category_of(value, spelling): value for value in feature.all_values}

    def check(value: Any) -> FeatureValue:
        if isinstance(value, str) and value in allowed:
            return value
        # As in files, true, "True" and 1 are the same category if all values are booleans, and 1 and "1.0" are the same
        # category if all values are numbers.
        if spelling in ("boolean", "decimal") and isinstance(value, str | int | float):
            text = str(int(value) if isinstance(value, bool) and spelling == "decimal" else value)
            known = written.get(category_of(text, spelling))
            if known is not None:
                return known
        raise _invalid(feature, value, expected)

    return check


def _numeric_check(feature: Feature) -> Check:
    whole, expected = feature.type == "integer", expected_number(feature)
    low, high = number_range(feature)

    def check(value: Any) -> FeatureValue:
        if type(value) not in (int, float) or not low <= value <= high:
            raise _invalid(feature, value, expected)
        if not whole:
            return float(value)
        if value != int(value):
            raise _invalid(feature, value, expected)
        return int(value)

    return check


def number_range(feature: Feature) -> tuple[float, float]:
    """Return the inclusive range of a numeric feature.

    The range is that of the contract, limited to the numbers that both databases can store.
    """
    largest = _MAX_INTEGER if feature.type == "integer" else _MAX_FLOAT
    low = -largest if feature.minimum is None else max(feature.minimum, -largest)
    high = largest if feature.maximum is None else min(feature.maximum, largest)
    return low, high


def expected_number(feature: Feature) -> str:
    """Return a description of the allowed numbers, such as `a whole number from 0 to 100 (months)`."""
    text = "a whole number" if feature.type == "integer" else "a number"
    if feature.minimum is not None and feature.maximum is not None:
        text += f" from {feature.minimum:g} to {feature.maximum:g}"
    elif feature.minimum is not None:
        text += f" of at least {feature.minimum:g}"
    elif feature.maximum is not None:
        text += f" of at most {feature.maximum:g}"
    return f"{text} ({feature.unit})" if feature.unit else text


def _invalid(feature: Feature, value: Any, expected: str) -> InvalidValueError:
    return InvalidValueError(f"Invalid value for {feature.name}: {_echo(value)}. Expected {expected}")


def _echo(value: Any) -> str:
    """Return the value as shortened JSON, with text in single quotes."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return _short(repr(value))


def _short(text: str) -> str:
    return text if len(text) <= _MAX_ECHO else text[:_MAX_ECHO] + "…"
