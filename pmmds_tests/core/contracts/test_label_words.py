"""Label values have the same meaning in reference data, label files and requests; the contract takes precedence."""

from __future__ import annotations

import msgspec
import pytest

from pmmds_core.contracts.contract import Contract
from pmmds_core.contracts.label_words import LabelWords


def words(contract: Contract, negative: str, positive: str) -> LabelWords:
    return LabelWords(msgspec.structs.replace(contract.label, negative=negative, positive=positive))


@pytest.mark.parametrize("raw", ["Yes", "yes", "YES ", 1, 1.0, "1", "1.0", True, "true", "True", "TRUE"])
def test_common_words_for_yes_map_to_the_positive_class(contract: Contract, raw: object) -> None:
    assert words(contract, "No", "Yes").code_of(raw) == 1


@pytest.mark.parametrize("raw", ["No", "no", 0, 0.0, "0", "0.0", False, "false", "FALSE"])
def test_common_words_for_no_map_to_the_negative_class(contract: Contract, raw: object) -> None:
    assert words(contract, "No", "Yes").code_of(raw) == 0


@pytest.mark.parametrize("raw", ["", "y", "maybe", 2, -1, 0.5, float("nan"), None, [], {}])
def test_unknown_values_are_not_labels(contract: Contract, raw: object) -> None:
    assert words(contract, "No", "Yes").code_of(raw) is None


@pytest.mark.parametrize(
    ("negative", "positive", "given", "codes"),
    [
        ("1", "2", (1, 2, "2.0", 0, True), [0, 1, 1, None, 1]),
        ("1", "0", (1, 0, False), [0, 1, 0]),
        ("true", "false", (True, False, 1), [0, 1, 1]),
        ("YES", "yes", ("YES", "yes", "Yes"), [0, 1, None]),
    ],
)
def test_label_values_of_the_contract_take_precedence_over_common_words(
    contract: Contract, negative: str, positive: str, given: tuple[object, ...], codes: list[int | None]
) -> None:
    accepted = words(contract, negative, positive)
    assert [accepted.code_of(raw) for raw in given] == codes
    assert all(accepted.code_of(value) is not None for value in accepted.json_values)
