"""The packaged contract, and contract errors, which state the file, line, field and expected value."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pmmds_core.contracts.contract import Blank, Contract, Feature, Label, OpenML, load_contract, parse_contract
from pmmds_core.errors import ContractError

DOCUMENT = Path(__file__).parents[3] / "docs" / "contract.md"

VALID = """\
name: shops
model_name: shop-model
description: Shops that close.
row_id: shop
label:
  name: closed
  source: Closed
  positive: "Yes"
  negative: "No"
features:
  - name: visits
    source: Visits
    kind: numeric
    type: integer
    minimum: 0
    maximum: 100
    description: Visitors a day.
    example: "3"
    blank: {means: "0", written_as: [NA]}
  - name: town
    source: Town
    kind: categorical
    type: string
    values: [Bonn, Ulm]
    description: Where it is.
    example: Ulm
"""


def rejection(text: str) -> str:
    with pytest.raises(ContractError) as caught:
        parse_contract(text, "shops.yaml")
    assert caught.value.exit_code == 2
    assert "docs/contract.md" in caught.value.next_step
    return caught.value.message


def changed(old: str, new: str) -> str:
    assert VALID.count(old) == 1, f"{old!r} occurs {VALID.count(old)} times"
    return VALID.replace(old, new)


def test_the_packaged_contract_has_the_telco_features(contract: Contract) -> None:
    assert (contract.name, contract.model_name, contract.primary_metric) == (
        "telco_churn",
        "churn-classifier",
        "roc_auc",
    )
    assert contract.feature_names[:5] == ("gender", "senior_citizen", "partner", "dependents", "tenure")
    assert contract.numeric_names == ("senior_citizen", "tenure", "monthly_charges", "total_charges")
    assert len(contract.feature_names) == 19
    assert contract.is_packaged
    assert contract.example()["tenure"] == 12
    assert contract.by_name["total_charges"].blank_value == 0.0


def test_a_custom_contract_differs_from_the_packaged_one() -> None:
    shops = parse_contract(VALID, "shops.yaml")
    assert not shops.is_packaged
    assert shops.by_name["visits"].blank == Blank("0", ("NA",))
    assert shops.categorical_names == ("town",)


def test_comments_and_layout_do_not_change_the_contract_digest() -> None:
    digest = parse_contract(VALID, "a").digest
    assert (
        parse_contract("# a comment\n" + VALID.replace("[Bonn, Ulm]", "\n      - Bonn\n      - Ulm"), "b").digest
        == digest
    )
    assert parse_contract(changed("maximum: 100", "maximum: 101"), "a").digest != digest


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("kind: numeric", "kind: int", (
"line 13: features[0].kind (feature 'visits'): expected "
"one of: categorical, numeric, found 'int'."
)),
        ("type: integer", "type: number", (
"line 14: features[0].type (feature 'visits'): expected one "
"of: float, integer, string, found 'number'."
)),
        ("minimum: 0", "minimun: 0", (
"line 15: features[0].minimun (feature 'visits'): unknown field "
"'minimun'. Did you mean 'minimum'? Known fields: name, source,"
)),
        ("model_name: shop-model\n", "", "line 1: the contract: the field 'model_name' is missing."),
        ("    example: Ulm\n", "", "line 20: features[1] (feature 'town'): the field 'example' is missing."),
        ("minimum: 0", "minimum: low", (
"line 15: features[0].minimum (feature 'visits'): "
"expected a number, found 'low'."
)),
        ("values: [Bonn, Ulm]", "values: Bonn", (
"line 24: features[1].values (feature 'town'): "
"expected a list, found 'Bonn'."
)),
        ("description: Visitors a day.", "description: [a]", (
"line 17: features[0].description (feature "
"'visits'): expected text, found a list."
)),
        ("description: Visitors a day.", "description:", (
"features[0].description (feature 'visits'): "
"expected text, found nothing."
)),
        ("name: visits", "name: Visits", (
"expected a name of lower-case letters, digits and _, starting with a letter, "
"at most 48 characters, found 'Visits'."
)),
        ("model_name: shop-model", "model_name: shop_model", (
"line 2: model_name: expected a name of "
"lower-case letters, digits and -"
)),
        ("source: Visits", 'source: ""', "features[0].source (feature 'visits'): expected text, not empty, found ''."),
        ("maximum: 100", "maximum: 100\n    n_bins: 1", "expected a whole number from 2 to 50, found '1'."),
        ("row_id: shop", "openml: {name: shops, version: newest}", "openml.version: expected"),
        ("row_id: shop", "primary_metric: accuracy", "line 4: primary_metric: expected roc_auc, found 'accuracy'."),
        ("label:\n", "label: text\nother:\n", (
"line 5: label: expected a mapping with the fields name, source, "
"positive, negative, description, found 'text'."
)),
    ],
)  # fmt: skip
def test_a_type_error_states_the_location_and_the_expected_type(old: str, new: str, expected: str) -> None:
    message = rejection(changed(old, new))
    assert message.startswith("shops.yaml, line ")
    assert expected in message
    assert "`" not in message


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("name: town", "name: visits", (
"line 20: features[1].name (feature 'visits'): duplicate name "
"'visits', already used by features[0]."
)),
        ("name: town", "name: closed", "'closed' is reserved"),
        ("name: town", "name: request_id", "'request_id' is reserved"),
        ("source: Town", "source: Visits", (
"line 21: features[1].source (feature 'town'): duplicate column "
"'Visits', already used by features[0]."
)),
        ("source: Town", "source: Closed", "'Closed' is the label's column; using it as a feature leaks the label."),
        ("source: Town", 'source: " Town"', "expected text without leading or trailing spaces, found ' Town'."),
        ("row_id: shop", "row_id: Town", "line 4: row_id: 'Town' is a feature's source column"),
        ("row_id: shop", "row_id: Closed", "line 4: row_id: 'Closed' is the label's source column."),
        ('negative: "No"', 'negative: "Yes"', "label.positive: positive and negative must differ."),
        ("name: closed", "name: prediction", "label.name: 'prediction' is reserved"),
        ("type: integer", "type: string", "expected integer or float for kind numeric, found 'string'."),
        ("type: string", "type: float", (
"line 23: features[1].type (feature 'town'): expected "
"string for kind categorical, found 'float'."
)),
        ("minimum: 0", "minimum: 100", (
"features[0].minimum (feature 'visits'): expected "
"less than maximum 100, found 100."
)),
        ("maximum: 100", "maximum: .inf", "line 16: features[0].maximum (feature 'visits'): expected"),
        ("maximum: 100", "maximum: inf", (
"line 16: features[0].maximum (feature 'visits'): "
"expected a finite number, found inf"
)),
        ("minimum: 0", "minimum: nan", (
"line 15: features[0].minimum (feature 'visits'): "
"expected a finite number, found nan"
)),
        ("minimum: 0", "values: [a, b]", "only categorical features have values; use minimum and maximum."),
        ('example: "3"', 'example: "101"', "features[0].example (feature 'visits'): 101 is outside 0 to 100."),
        ('example: "3"', 'example: "3.5"', "expected a whole number, found '3.5'."),
        ('means: "0"', 'means: "-1"', "line 19: features[0].blank.means (feature 'visits'): -1 is outside 0 to 100."),
        ("example: Ulm", "example: Köln", "'Köln' is not one of the feature's values: Bonn, Ulm."),
        ("values: [Bonn, Ulm]", "values: [Ulm]", "expected at least two allowed values, found 1."),
        ("values: [Bonn, Ulm]", "values: [Ulm, Ulm]", "expected unique values."),
        ("values: [Bonn, Ulm]", 'values: ["Bonn ", Ulm]', (
"features[1].values[0] (feature 'town'): expected text "
"without leading or trailing spaces, found 'Bonn '."
)),
        ("example: Ulm", "example: Ulm\n    minimum: 3", "only numeric features have minimum and maximum."),
        ("example: Ulm", (
"example: Ulm\n    blank: {means: "
"missing, written_as: [Bonn]}"
), "'Bonn' is an allowed value, so it cannot mean blank."),
    ],
)  # fmt: skip
def test_errors_about_inconsistent_fields_state_the_location(old: str, new: str, expected: str) -> None:
    assert expected in rejection(changed(old, new))


def test_feature_names_in_upper_case_are_rejected() -> None:
    assert "lower-case" in rejection(changed("name: town", "name: VISITS"))


def test_a_contract_without_features_is_rejected() -> None:
    text = VALID[: VALID.index("features:")] + "features: []\n"
    assert "line 10: features: expected a list with at least one entry, found an empty list." in rejection(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [("", "nothing"), ("# only a comment\n", "nothing"), ("- a\n- b\n", "a list"), ("hello", "'hello'")],
)
def test_a_contract_file_that_is_not_a_mapping_is_rejected(text: str, found: str) -> None:
    message = rejection(text)
    assert message.startswith("shops.yaml, line 1: the contract: expected a mapping with the fields name, model_name,")
    assert message.endswith(f"found {found}.")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: a\n  b: [", "shops.yaml, line 2: not valid YAML: mapping values are not allowed here."),
        ("name: a\nname: b\n", "shops.yaml, line 2: duplicate key 'name'."),
        ("name: a\n? [x, y]\n: b\n", "shops.yaml, line 2: expected a field name before the colon."),
        ("name: a\nb: \x07\n", "shops.yaml, line 2: not valid YAML: special characters are not allowed."),
        ("name: a\n---\nname: b\n", "shops.yaml, line 2: not valid YAML: but found another document."),
        ("name: &a [*a]\n", "shops.yaml, line 1: nested too deeply"),
    ],
)
def test_the_error_for_invalid_yaml_states_the_line(text: str, expected: str) -> None:
    with pytest.raises(ContractError) as caught:
        parse_contract(text, "shops.yaml")
    assert expected in caught.value.message


def test_yaml_aliases_that_expand_exponentially_are_rejected() -> None:
    levels = [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]" for i in range(1, 10)]
    with pytest.raises(ContractError, match="too many values"):
        parse_contract("\n".join(["l0: &l0 [x, x, x]", *levels]), "bomb.yaml")


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "shops.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + VALID.encode())
    assert load_contract(path).name == "shops"


def test_the_error_for_an_unreadable_contract_file_states_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "shops.yaml"
    with pytest.raises(ContractError, match="No such file"):
        load_contract(path)
    with pytest.raises(ContractError, match="Is a directory"):
        load_contract(tmp_path)
    path.write_bytes("name: Köln".encode("latin-1"))
    with pytest.raises(ContractError, match="not UTF-8"):
        load_contract(path)


@pytest.mark.parametrize("struct", [Contract, Label, Feature, Blank, OpenML], ids=lambda s: s.__name__)
def test_documentation_lists_all_fields_with_their_defaults(struct: Any) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    section = re.search(rf"^## {struct.__name__}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert section is not None
    documented = dict(re.findall(r"^\| `(\w+)` \| ([^|]+?) \|", section.group(1), re.MULTILINE))
    fields = {f.name: f for f in msgspec.structs.fields(struct)}
    assert set(documented) == set(fields)
    for name, field in fields.items():
        is_required = field.default is msgspec.NODEFAULT
        assert documented[name].endswith("required") or not is_required, name
        if not is_required and field.default not in ("", None, ()):
            assert documented[name].strip("`") == str(field.default), name
