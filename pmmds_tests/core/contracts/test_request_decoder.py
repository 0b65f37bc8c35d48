"""The one-pass decoder gives the same results as the validator, or falls back to it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pmmds_core.contracts.contract import Contract, load_contract, parse_contract
from pmmds_core.contracts.request_decoder import RowDecoder
from pmmds_core.contracts.request_validator import compile_validator
from pmmds_tests.core.contracts.test_request_validator import OPEN_ENDED

TELCO = load_contract("")
TINY = parse_contract(OPEN_ENDED, "tiny.yaml")
CONTRACTS = {"telco": TELCO, "tiny": TINY}

values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-5, 80),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(-5, 9000),
    st.sampled_from(["x", "z", "Yes", "No", "Male", "Month-to-month", "1", "", 'a"b', "\ud800", "\x00"]),
    st.lists(st.integers(), max_size=1),
)


def valid_rows(contract: Contract) -> st.SearchStrategy[dict[str, Any]]:
    def cell(name: str) -> st.SearchStrategy[Any]:
        feature = contract.by_name[name]
        if not feature.is_numeric:
            allowed: st.SearchStrategy[Any] = st.sampled_from(feature.all_values)
        else:
            low = -1e6 if feature.minimum is None else feature.minimum
            high = 1e6 if feature.maximum is None else feature.maximum
            whole = st.integers(int(low), int(high))
            allowed = whole if feature.type == "integer" else st.one_of(whole, st.floats(low, high))
        return st.one_of(st.none(), allowed) if feature.is_nullable else allowed

    return st.fixed_dictionaries({name: cell(name) for name in contract.feature_names})


@pytest.mark.parametrize("name", CONTRACTS)
@settings(max_examples=150)
@given(data=st.data())
def test_decoder_and_validator_return_the_same_valid_rows(name: str, data: st.DataObject) -> None:
    contract = CONTRACTS[name]
    row = data.draw(valid_rows(contract))
    shuffled = dict(data.draw(st.permutations(list(row.items()))))
    found = RowDecoder(contract).row(json.dumps({"features": shuffled}).encode())
    expected = compile_validator(contract)(row).row
    assert found == expected
    assert found is not None
    assert expected is not None
    assert list(map(type, found)) == list(map(type, expected))


@pytest.mark.parametrize("name", CONTRACTS)
@settings(max_examples=300)
@given(data=st.data())
def test_decoded_rows_have_no_errors_or_warnings(name: str, data: st.DataObject) -> None:
    contract = CONTRACTS[name]
    row = dict(contract.example())
    for changed in data.draw(st.lists(st.sampled_from([*contract.feature_names, "unknown"]), max_size=3)):
        row[changed] = data.draw(values)
    for removed in data.draw(st.lists(st.sampled_from(contract.feature_names), max_size=1)):
        row.pop(removed, None)
    found = RowDecoder(contract).row(json.dumps({"features": row}).encode())
    checked = compile_validator(contract)(row)
    if found is not None:
        assert (found, (), ()) == (checked.row, checked.errors, checked.warnings)
    elif checked.row is not None:  # The validator handles warnings and integers written as 3.0.
        assert checked.warnings or any(isinstance(v, float) for v in row.values())


@pytest.mark.parametrize("name", CONTRACTS)
@settings(max_examples=100)
@given(data=st.data())
def test_bodies_with_duplicate_keys_fall_back_to_the_validator(name: str, data: st.DataObject) -> None:
    contract = CONTRACTS[name]
    row = list(contract.example().items())
    twice = data.draw(st.sampled_from(row))
    again = (twice[0], data.draw(st.one_of(st.just(twice[1]), values)))
    row.insert(data.draw(st.integers(0, len(row))), again)
    inner = ", ".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in row)
    decoder = RowDecoder(contract)
    assert decoder.row(f'{{"features": {{{inner}}}}}'.encode()) is None
    assert decoder.rows(f'{{"instances": [{{{inner}}}]}}'.encode()) is None


def test_rows_of_a_batch_keep_their_order() -> None:
    rows = [{**TINY.example(), "visits": n, "kind": None if n % 2 else "z"} for n in range(1, 6)]
    found = RowDecoder(TINY).rows(json.dumps({"instances": rows}).encode())
    assert found is not None
    assert [(row[2], row[1]) for row in found] == [(1, None), (2, "z"), (3, None), (4, "z"), (5, None)]


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{}", b'{"features": []}', b'{"features": {}}', b"\xff", b'{"features":' * 5000]
)
def test_unsupported_bodies_fall_back_to_the_validator(body: bytes) -> None:
    assert RowDecoder(TELCO).row(body) is None
    assert RowDecoder(TELCO).rows(body) is None


def test_bodies_with_extra_top_level_fields_fall_back_to_the_validator() -> None:
    body = json.dumps({"features": TELCO.example(), "more": 1}).encode()
    assert RowDecoder(TELCO).row(body) is None
