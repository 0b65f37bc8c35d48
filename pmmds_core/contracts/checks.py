"""Checks of a contract beyond its types: unique names and columns, valid ranges, valid examples.

A check yields the path of each mistake with a message. Not here: checks of rows (request_validator.py,
data/pandera_schema.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pmmds_core.contracts.contract import Contract, Feature

Problem = tuple[str, str]

# The columns of prediction_logs and of the tables that are joined with it. No feature may have one of these names.
RESERVED_NAMES = frozenset(
    {"request_id", "predicted_at", "ingested_at", "model_name", "model_version", "prediction", "probability"}
    | {"latency_ms", "client_request_id", "label", "observed_at", "received_at", "row_id", "weight", "score", "source"}
    # PostgreSQL's system columns, which exist in every table.
    | {"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"}
)
MISSING = "missing"


def first_problem(contract: Contract) -> Problem | None:
    """Return the path and the message of the first mistake in a well-typed contract, or None if there is none."""
    for problem in (*_label_problems(contract), *_feature_problems(contract), *_row_id_problems(contract)):
        return problem
    return None


def _label_problems(contract: Contract) -> Iterator[Problem]:
    label = contract.label
    for field in ("source", "positive", "negative"):
        yield from _spaces(f"$.label.{field}", getattr(label, field))
    if label.positive == label.negative:
        yield "$.label.positive", "positive and negative must differ"
    if label.name in RESERVED_NAMES - {"label"}:
        yield "$.label.name", f"{label.name!r} is reserved; choose another name (`source` names the column in the file)"


def _row_id_problems(contract: Contract) -> Iterator[Problem]:
    yield from _spaces("$.row_id", contract.row_id) if contract.row_id else ()
    if contract.row_id in {f.source for f in contract.features}:
        yield (
            "$.row_id",
            f"{contract.row_id!r} is a feature's source column; a row id must not be a feature",
        )
    if contract.row_id and contract.row_id == contract.label.source:
        yield "$.row_id", f"{contract.row_id!r} is the label's source column"


def _feature_problems(contract: Contract) -> Iterator[Problem]:
    names: dict[str, int] = {}
    sources: dict[str, int] = {}
    for i, feature in enumerate(contract.features):
        for field, message in (*_name_problems(feature, contract, names, sources), *_value_problems(feature)):
            yield f"$.features[{i}].{field}", message
        names[feature.name] = sources[feature.source] = i


def _name_problems(
    feature: Feature, contract: Contract, names: dict[str, int], sources: dict[str, int]
) -> Iterator[Problem]:
    name, source, label = feature.name, feature.source, contract.label
    if name in names:
        yield "name", f"duplicate name {name!r}, already used by features[{names[name]}]"
    if name in RESERVED_NAMES or name == label.name:
        yield "name", f"{name!r} is reserved; choose another name (`source` names the column in the file)"
    if source in sources:
        yield "source", f"duplicate column {source!r}, already used by features[{sources[source]}]"
    if source == label.source:
        yield "source", f"{source!r} is the label's column; using it as a feature leaks the label"
    yield from _spaces("source", source)


def _value_problems(feature: Feature) -> Iterator[Problem]:
    yield from _numeric_problems(feature) if feature.is_numeric else _categorical_problems(feature)
    if feature.blank is None:
        return
    if not feature.blank.is_missing:
        yield from _text_problems(feature, "blank.means", feature.blank.means)
    for text in feature.blank.written_as:
        if text in feature.all_values:
            yield "blank.written_as", f"{text!r} is an allowed value, so it cannot mean blank"


def _numeric_problems(feature: Feature) -> Iterator[Problem]:
    if feature.type == "string":
        yield "type", "expected integer or float for kind numeric, found 'string'"
        return
    for field in ("values", "also_accepted"):
        if getattr(feature, field):
            yield field, "only categorical features have values; use minimum and maximum"
    low, high = feature.minimum, feature.maximum
    for field, limit in (("minimum", low), ("maximum", high)):
        if limit is not None and not math.isfinite(limit):
            yield field, f"expected a finite number, found {limit}; omit it if there is no limit"
    if low is not None and high is not None and low >= high:
        yield "minimum", f"expected less than maximum {high:g}, found {low:g}"
    yield from _text_problems(feature, "example", feature.example)


def _categorical_problems(feature: Feature) -> Iterator[Problem]:
    if feature.type != "string":
        yield "type", f"expected string for kind categorical, found {feature.type!r}"
    if len(feature.values) < 2:
        yield "values", f"expected at least two allowed values, found {len(feature.values)}"
    if len(set(feature.all_values)) != len(feature.all_values):
        yield "values", "expected unique values"
    if MISSING in feature.all_values and feature.is_nullable:
        yield (
            "values",
            f"{MISSING!r} is reserved by `blank` for missing values; rename the value in the file",
        )
    yield from _spaces_in_values(feature)
    for field in ("minimum", "maximum"):
        if getattr(feature, field) is not None:
            yield field, "only numeric features have minimum and maximum"
    yield from _text_problems(feature, "example", feature.example)


def _spaces_in_values(feature: Feature) -> Iterator[Problem]:
    for field in ("values", "also_accepted"):
        for i, value in enumerate(getattr(feature, field)):
            yield from _spaces(f"{field}[{i}]", value)


def _spaces(path: str, text: str) -> Iterator[Problem]:
    """Report text with surrounding spaces. It would never match, because the cells of files are stripped."""
    if text != text.strip() or not text:
        yield path, f"expected text without leading or trailing spaces, found {text!r}"


def _text_problems(feature: Feature, field: str, text: str) -> Iterator[Problem]:
    if not feature.is_numeric:
        if text not in feature.all_values:
            yield field, f"{text!r} is not one of the feature's values: {', '.join(feature.all_values)}"
        return
    try:
        value = float(feature.typed(text) or 0)
    except ValueError:
        expected = "a whole number" if feature.type == "integer" else "a number"
        yield field, f"expected {expected}, found {text!r}"
        return
    low = -math.inf if feature.minimum is None else feature.minimum
    high = math.inf if feature.maximum is None else feature.maximum
    if not math.isfinite(value):
        yield field, f"expected a finite number, found {text!r}"
    elif not low <= value <= high:
        yield field, f"{text} is outside {low:g} to {high:g}"
