"""Payloads that the request validator accepts, and the exact error messages for those that it rejects."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pmmds_core.contracts.contract import Contract, Feature, load_contract, parse_contract
from pmmds_core.contracts.request_validator import MESSAGE, CheckedRow, RowValidator, compile_validator
from pmmds_serving.api_errors import invalid_payload

TELCO = load_contract("")
OPEN_ENDED = """
name: tiny
model_name: tiny-model
description: Every kind of limit and missing value.
label: {name: y, source: Y, positive: "1", negative: "0"}
features:
  - {name: ratio, source: A, kind: numeric, type: float, description: d, example: "1.5", blank: {means: missing}}
  - {name: kind, source: B, kind: categorical, type: string, values: [x, y], also_accepted: [z], description: d,
     example: x, blank: {means: missing}}
  - {name: visits, source: C, kind: numeric, type: integer, minimum: 1, description: d, example: "2"}
  - {name: debt, source: D, kind: numeric, type: integer, maximum: 5, unit: months, description: d, example: "2"}
"""


@pytest.fixture(scope="module")
def validate() -> RowValidator:
    return compile_validator(TELCO)


@pytest.fixture(scope="module")
def validate_open() -> RowValidator:
    return compile_validator(parse_contract(OPEN_ENDED, "tiny.yaml"))


def row(**changes: Any) -> dict[str, Any]:
    """Return the contract's example row with the given values replaced."""
    return {**TELCO.example(), **changes}


def open_row(**changes: Any) -> dict[str, Any]:
    return {"ratio": 0.5, "kind": "x", "visits": 3, "debt": 4, **changes}


def test_the_example_is_valid_and_returned_in_contract_order(validate: RowValidator) -> None:
    shuffled = dict(reversed(row().items()))
    assert validate(shuffled) == CheckedRow(tuple(TELCO.example().values()), (), ())


@pytest.mark.parametrize(
    ("values", "accepted", "rejected"),
    [
        (
            ["true", "false"],
            [(True, "true"), ("FALSE", "false"), (1, "true"), (0.0, "false"), ("1", "true")],
            [2, "maybe", ""],
        ),
        (["True", "False"], [(True, "True"), ("false", "False")], [2, "x"]),
        (
            ["1", "2.5"],
            [(1, "1"), (1.0, "1"), (2.5, "2.5"), ("2.50", "2.5"), ("+1", "1"), (True, "1")],
            [2, "one", False, 3],
        ),
        (["x", "1"], [("x", "x"), ("1", "1")], [1, "1.0", " x", True]),
    ],
)
def test_equal_categories_are_spelled_as_in_the_contract(
    values: list[str], accepted: list[tuple[Any, str]], rejected: list[Any]
) -> None:
    named = ", ".join(f'"{value}"' for value in values)
    text = OPEN_ENDED.replace("[x, y], also_accepted: [z]", f"[{named}]").replace(
        "example: x", f'example: "{values[0]}"'
    )
    validator = compile_validator(parse_contract(text, "tiny.yaml"))
    for value, category in accepted:
        found = validator(open_row(kind=value)).row
        assert found is not None
        assert (value, found[1]) == (value, category)
    assert all(validator(open_row(kind=value)).row is None for value in rejected)


@pytest.mark.parametrize("payload", [None, [], "features", 3, True])
def test_a_payload_that_is_not_an_object_gives_one_error(validate: RowValidator, payload: Any) -> None:
    assert validate(payload) == CheckedRow(None, ("features: expected an object with 19 features",), ())


@pytest.mark.parametrize("name", TELCO.feature_names)
def test_the_error_names_a_missing_feature(validate: RowValidator, name: str) -> None:
    payload = row()
    del payload[name]
    assert validate(payload) == CheckedRow(None, (f"Missing required feature: {name}",), ())


def test_the_errors_for_an_empty_payload_list_all_features_in_order(validate: RowValidator) -> None:
    assert validate({}).errors == tuple(f"Missing required feature: {n}" for n in TELCO.feature_names)


def test_unknown_features_cause_warnings_but_the_row_is_valid(validate: RowValidator) -> None:
    checked = validate(row(shoe_size=43, tenure_=1))
    assert checked.row == tuple(TELCO.example().values())
    assert checked.warnings == ("Unknown feature ignored: shoe_size", "Unknown feature ignored: tenure_")


def test_a_long_unknown_feature_name_is_shortened_in_the_warning(validate: RowValidator) -> None:
    assert validate(row(**{"x" * 5000: 1})).warnings == ("Unknown feature ignored: " + "x" * 80 + "…",)


def test_a_misspelled_feature_gives_an_error_and_a_warning(validate: RowValidator) -> None:
    payload = row()
    payload["Tenure"] = payload.pop("tenure")
    assert validate(payload) == CheckedRow(
        None, ("Missing required feature: tenure",), ("Unknown feature ignored: Tenure",)
    )


MONTHS, DOLLARS = "a whole number from 0 to 100 (months)", "a number from 0 to 200 (dollars)"
TERMS = "one of: Month-to-month, One year, Two year"


@pytest.mark.parametrize(
    ("name", "value", "shown", "expected"),
    [
        ("tenure", 101, "101", MONTHS),
        ("tenure", -1, "-1", MONTHS),
        ("tenure", 12.5, "12.5", MONTHS),
        ("tenure", "12", "'12'", MONTHS),
        ("tenure", True, "true", MONTHS),
        ("tenure", False, "false", MONTHS),
        ("tenure", None, "null", MONTHS),
        ("tenure", [12], "[12]", MONTHS),
        ("tenure", {"months": 12}, "{'months': 12}", MONTHS),
        ("tenure", math.nan, "nan", MONTHS),
        ("tenure", math.inf, "inf", MONTHS),
        ("tenure", 10**300, "1" + "0" * 79 + "…", MONTHS),
        ("monthly_charges", 200.01, "200.01", DOLLARS),
        ("monthly_charges", math.nan, "nan", DOLLARS),
        ("monthly_charges", -math.inf, "-inf", DOLLARS),
        ("monthly_charges", True, "true", DOLLARS),
        ("monthly_charges", "70,35", "'70,35'", DOLLARS),
        ("contract", "Annual", "'Annual'", TERMS),
        ("contract", "month-to-month", "'month-to-month'", TERMS),
        ("contract", "One year ", "'One year '", TERMS),
        ("contract", "", "''", TERMS),
        ("contract", None, "null", TERMS),
        ("contract", 1, "1", TERMS),
        ("contract", ["One year"], "['One year']", TERMS),
        ("contract", "a" * 100, "'" + "a" * 79 + "…", TERMS),
        ("online_backup", "Maybe", "'Maybe'", "one of: Yes, No, No internet service"),
        ("senior_citizen", "Yes", "'Yes'", "a whole number from 0 to 1 (flag)"),
    ],
)
def test_a_rejected_value_is_shown_with_the_allowed_values(
    validate: RowValidator, name: str, value: Any, shown: str, expected: str
) -> None:
    checked = validate(row(**{name: value}))
    assert checked == CheckedRow(None, (f"Invalid value for {name}: {shown}. Expected {expected}",), ())


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("tenure", 0, 0),
        ("tenure", 100, 100),
        ("tenure", 12.0, 12),
        ("monthly_charges", 70, 70.0),
        ("monthly_charges", 200, 200.0),
        ("total_charges", 0, 0.0),
        ("online_backup", "No internet service", "No internet service"),
    ],
)
def test_limits_are_inclusive_and_numbers_are_converted(
    validate: RowValidator, name: str, value: Any, kept: Any
) -> None:
    checked = validate(row(**{name: value}))
    assert checked.row is not None
    found = checked.row[TELCO.feature_names.index(name)]
    assert found == kept
    assert type(found) is type(kept)


def test_the_400_response_lists_all_errors_in_contract_order(validate: RowValidator) -> None:
    payload = row(contract="Annual", gender=None, extra=1)
    del payload["tenure"]
    checked = validate(payload)
    assert checked.row is None
    assert invalid_payload(checked.errors, checked.warnings).body == {
        "detail": {
            "message": MESSAGE,
            "errors": [
                "Invalid value for gender: null. Expected one of: Male, Female",
                "Missing required feature: tenure",
                "Invalid value for contract: 'Annual'. Expected one of: Month-to-month, One year, Two year",
            ],
            "warnings": ["Unknown feature ignored: extra"],
        }
    }


def test_null_is_valid_for_nullable_features(validate_open: RowValidator) -> None:
    assert validate_open(open_row(ratio=None, kind=None)) == CheckedRow((None, None, 3, 4), (), ())


def test_a_nullable_feature_must_be_present(validate_open: RowValidator) -> None:
    payload = open_row()
    del payload["ratio"]
    assert validate_open(payload).errors == ("Missing required feature: ratio",)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"visits": 0}, "Invalid value for visits: 0. Expected a whole number of at least 1"),
        ({"debt": 6}, "Invalid value for debt: 6. Expected a whole number of at most 5 (months)"),
        ({"ratio": "?"}, "Invalid value for ratio: '?'. Expected a number"),
        ({"ratio": math.inf}, "Invalid value for ratio: inf. Expected a number"),
        ({"ratio": -math.inf}, "Invalid value for ratio: -inf. Expected a number"),
    ],
)
def test_error_messages_state_one_sided_limits(
    validate_open: RowValidator, changes: dict[str, Any], expected: str
) -> None:
    assert validate_open(open_row(**changes)).errors == (expected,)


@pytest.mark.parametrize("name", ["ratio", "visits"])
def test_a_number_too_large_for_the_database_is_rejected(validate_open: RowValidator, name: str) -> None:
    (error,) = validate_open(open_row(**{name: 10**400})).errors
    assert error.startswith(f"Invalid value for {name}: 1000")


@pytest.mark.parametrize(
    ("value", "is_kept"), [(2**63 - 1, True), (2**63, False), (1e300, False), (float(2**62), True)]
)
def test_integers_without_limits_must_fit_in_64_bits(validate_open: RowValidator, value: Any, is_kept: bool) -> None:
    assert (validate_open(open_row(visits=value)).row is not None) is is_kept


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def allowed_values(feature: Feature) -> st.SearchStrategy[Any]:
    if not feature.is_numeric:
        return st.sampled_from(feature.all_values)
    assert feature.minimum is not None
    assert feature.maximum is not None
    if feature.type == "integer":
        return st.integers(int(feature.minimum), int(feature.maximum))
    return st.floats(feature.minimum, feature.maximum)


def valid_rows(contract: Contract) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({f.name: allowed_values(f) for f in contract.features})


@settings(max_examples=200)
@given(payload=valid_rows(TELCO))
def test_every_allowed_row_is_accepted_unchanged(validate: RowValidator, payload: dict[str, Any]) -> None:
    assert validate(payload) == CheckedRow(tuple(payload[n] for n in TELCO.feature_names), (), ())


@settings(max_examples=300)
@given(name=st.sampled_from(TELCO.feature_names), value=ANYTHING)
def test_any_value_is_converted_or_reported_with_its_feature_name(
    validate: RowValidator, name: str, value: Any
) -> None:
    checked = validate(row(**{name: value}))
    if checked.row is None:
        (error,) = checked.errors
        assert error.startswith(f"Invalid value for {name}: ")
        assert len(error) < 400
    else:
        feature = TELCO.by_name[name]
        kept = checked.row[TELCO.feature_names.index(name)]
        assert kept == value
        assert type(kept) is {"integer": int, "float": float, "string": str}[feature.type]


@settings(max_examples=200)
@given(payload=ANYTHING)
def test_invalid_payloads_return_errors_and_raise_no_exception(validate: RowValidator, payload: Any) -> None:
    checked = validate(payload)
    assert checked.row is None
    assert checked.errors


@settings(max_examples=100)
@given(left_out=st.sets(st.sampled_from(TELCO.feature_names), min_size=1))
def test_missing_features_are_listed_in_contract_order(validate: RowValidator, left_out: set[str]) -> None:
    payload = {n: v for n, v in row().items() if n not in left_out}
    assert validate(payload).errors == tuple(
        f"Missing required feature: {n}" for n in TELCO.feature_names if n in left_out
    )
