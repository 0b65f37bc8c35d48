"""Contracts inferred from five data sets, each checked against values that pandas computes."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from pmmds_core.contract_inference.contract_text import contract_text
from pmmds_core.contract_inference.draft import ContractDraft
from pmmds_core.contract_inference.infer import InferenceOptions, infer_contract
from pmmds_core.contracts.contract import parse_contract
from pmmds_core.data.reader import read_source
from pmmds_core.errors import InputFileError
from pmmds_core.stores.files.file_options import FileOptions
from pmmds_tests.harness.own_data_sets import DATA_SETS, LABEL


def saved(frame: pd.DataFrame, folder: Path, name: str = "customers.csv") -> Path:
    frame.to_csv(folder / name, index=False)
    return folder / name


def inferred(frame: pd.DataFrame, folder: Path, **options: str) -> ContractDraft:
    """Infer a contract from a data frame. Each option takes a single column name or word."""

    def names(option: str) -> frozenset[str]:
        return frozenset({options[option]} if option in options else ())

    file = FileOptions(names("categorical"), names("numeric"), names("ignore"), tuple(names("na")))
    return infer_contract(
        saved(frame, folder), LABEL, InferenceOptions(positive=options.get("positive", ""), file=file)
    )


def problem(frame: pd.DataFrame, folder: Path, **options: str) -> InputFileError:
    with pytest.raises(InputFileError) as raised:
        inferred(frame, folder, **options)
    return raised.value


@pytest.mark.parametrize("name", DATA_SETS)
def test_an_inferred_contract_round_trips_through_yaml_and_accepts_all_rows(name: str, tmp_path: Path) -> None:
    frame = DATA_SETS[name]()
    draft = inferred(frame, tmp_path)
    contract = parse_contract(contract_text(draft), "contract.yaml")
    assert contract == draft.contract
    assert contract_text(inferred(frame, tmp_path)) == contract_text(draft)
    rows = read_source(tmp_path / "customers.csv", contract).frame
    assert len(rows) == len(frame)
    assert rows[LABEL].sum() == frame[LABEL].isin(["yes", "1"]).sum()


def test_words_for_missing_values_are_treated_as_blanks(tmp_path: Path) -> None:
    frame = DATA_SETS["missing_values"]()
    contract = inferred(frame, tmp_path).contract
    age, plan = contract.by_name["age"], contract.by_name["plan"]
    known = pd.to_numeric(frame["Age"], errors="coerce").dropna()
    assert age.type == "integer"
    assert age.is_nullable
    assert (age.minimum, age.maximum) == (0, 160)
    assert known.max() + (known.max() - known.min()) == 160
    assert plan.blank is not None
    assert (plan.values, plan.blank.written_as) == (("basic", "plus"), ("?",))
    assert "fax" not in contract.by_name
    assert contract.by_name["amount"].blank is None


def test_date_columns_are_left_out_in_every_format(tmp_path: Path) -> None:
    draft = inferred(DATA_SETS["dates"](), tmp_path)
    assert draft.contract.feature_names == ("temperature",)
    assert [c.source for c in draft.left_out] == ["created", "paid on", "shipped"]
    assert all("dates" in c.evidence for c in draft.left_out)


def test_the_customer_id_becomes_the_row_id_and_other_ids_are_left_out(tmp_path: Path) -> None:
    draft = inferred(DATA_SETS["ids"](), tmp_path)
    assert draft.contract.row_id == "customerID"
    assert draft.contract.feature_names == ("visits",)
    assert [c.source for c in draft.left_out] == ["row", "account_number"]


def test_boolean_spellings_are_normalized(tmp_path: Path) -> None:
    contract = inferred(DATA_SETS["booleans"](), tmp_path).contract
    assert set(contract.by_name["newsletter"].values) == {"true", "false"}
    assert set(contract.by_name["member"].values) == {"true", "false"}
    active = contract.by_name["active"]
    assert (active.type, active.minimum, active.maximum) == ("integer", 0, 1)
    assert (contract.label.positive, contract.label.negative) == ("1", "0")


def test_all_1000_categories_become_allowed_values(tmp_path: Path) -> None:
    frame = DATA_SETS["many_categories"]()
    values = inferred(frame, tmp_path).contract.by_name["shop"].values
    assert set(values) == set(frame["shop"])
    assert len(values) == 1000
    assert values[0] == frame["shop"].value_counts().index[0]


def base(n: int = 100) -> pd.DataFrame:
    return pd.DataFrame({"x": [i % 7 + 0.5 for i in range(n)], LABEL: ["yes" if i % 3 else "no" for i in range(n)]})


def test_na_is_a_category_among_two_letter_country_codes(tmp_path: Path) -> None:
    frame = base().assign(country=[("DE", "NA", "FR", "DE")[i % 4] for i in range(100)])
    assert set(inferred(frame, tmp_path).contract.by_name["country"].values) == {"DE", "NA", "FR"}


def test_redundant_and_label_leaking_columns_are_left_out(tmp_path: Path) -> None:
    frame = base().assign(again=lambda f: f["x"], leak=lambda f: f[LABEL].map({"yes": "J", "no": "N"}), one=5)
    draft = inferred(frame, tmp_path)
    assert draft.contract.feature_names == ("x",)
    reasons = {c.source: c.evidence for c in draft.left_out}
    assert "same cells as the column 'x'" in reasons["again"]
    assert "leak" in reasons["leak"]
    assert reasons["one"] == "5 in every row"


def test_unusual_characters_round_trip_through_yaml(tmp_path: Path) -> None:
    texts = ["a\u2028b", 'quote " and \\', "# no comment", "yes", "1: 2", "\u00e9\U0001f600", "\x85"]
    frame = base(700).assign(text=[texts[i * 5 % 6] for i in range(700)], **{"Ünit\n€": [i % 5 for i in range(700)]})
    draft = inferred(frame, tmp_path)
    assert set(draft.contract.by_name["text"].values) == set(texts[:6])
    assert parse_contract(contract_text(draft), "contract.yaml") == draft.contract
    assert "unit" in draft.contract.by_name


def test_columns_that_mix_numbers_and_text_require_an_option(tmp_path: Path) -> None:
    mixed = [str(i) if i % 5 else "unknown" for i in range(100)]
    frame = base().assign(mixed=mixed, other=mixed[::-1])
    error = problem(frame, tmp_path)
    assert "'mixed' mixes 80 numbers with 20 other values" in error.message
    assert "'other'" in error.message
    assert "--na" in error.next_step
    blank = inferred(frame, tmp_path, na="Unknown", ignore="other").contract.by_name["mixed"].blank
    assert blank is not None
    assert blank.written_as == ("unknown",)
    assert inferred(frame, tmp_path, categorical="mixed", ignore="other").contract.by_name["mixed"].values


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (["yes"] * 100, "'yes' in every row"),
        ([("a", "b", "c")[i % 3] for i in range(100)], "has 3 values"),
        (["yes" if i % 5 < 2 else "no" if i % 5 < 3 else "" for i in range(100)], "40 of 100 rows (40%) have no label"),
    ],
)
def test_unusable_label_columns_are_rejected(label: list[str], expected: str, tmp_path: Path) -> None:
    assert expected in problem(base().assign(churned=label), tmp_path).message


@pytest.mark.parametrize(("wanted", "positive"), [("", "gone"), ("Stays", "stays")])
def test_the_rarer_label_value_is_the_positive_class_by_default(wanted: str, positive: str, tmp_path: Path) -> None:
    frame = base().assign(churned=["gone" if i % 4 == 0 else "stays" for i in range(100)])
    assert inferred(frame, tmp_path, positive=wanted).contract.label.positive == positive


def test_the_suggested_command_writes_a_usable_file(tmp_path: Path) -> None:
    import subprocess
    import sys

    frame = base(200).assign(churned=["" if i % 5 < 2 else "yes" if i % 2 else "no" for i in range(200)])
    line = problem(frame, tmp_path).next_step.partition(": ")[2]
    subprocess.run(line.replace("python", sys.executable, 1), shell=True, check=True, cwd=tmp_path)
    draft = infer_contract(tmp_path / "customers-labeled.csv", LABEL, InferenceOptions())
    assert draft.n_rows == (frame[LABEL] != "").sum()
