"""The decimal mark of a file decides how a column is read whose own numbers do not show it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pmmds_core.contracts.contract import Contract, Feature, Label
from pmmds_core.data.decimal_mark import decimal_mark_of, style_of
from pmmds_core.data.reader import read_source, source_from_frame
from pmmds_core.errors import DataError

SALES = [f"{n:,}".replace(",", ".") for n in range(850, 2050, 50)]


def contract_of(*names: str) -> Contract:
    features = tuple(
        Feature(name=name, source=name, kind="numeric", type="float", description=name, example="1") for name in names
    )
    label = Label(name="y", source="y", positive="yes", negative="no", description="y")
    return Contract(name="odd", model_name="odd", description="odd", label=label, features=features)


def written(folder: Path, separator: str, **columns: list[str]) -> Path:
    n = len(next(iter(columns.values())))
    pd.DataFrame({**columns, "y": ["yes", "no"] * (n // 2)}).to_csv(folder / "odd.csv", sep=separator, index=False)
    return folder / "odd.csv"


@pytest.mark.parametrize(
    ("columns", "mark"),
    [
        ([["1,5", "2,25"]], ","),
        ([["1.5", "2.25"]], "."),
        ([["0.836", "0.125"]], "."),
        ([["1.234", "950"]], ""),
        ([["1.234.567", "950"]], ","),
        ([["1,234,567", "950"]], "."),
        ([["€ 1.200,00", "€ 5,00"], ["1.234", "950"]], ","),
        ([["1 000", "2 000"]], ""),
        ([["1.5", "2"], ["1,5", "2"]], ""),
        ([["1,234", "950"]], ""),
        ([[*(f"1,{n}" for n in range(100, 110)), *(str(n) for n in range(900, 910))]], "."),
        ([["red, green", "v1.2"], ["", "NA"]], ""),
        ([], ""),
    ],
)
def test_the_mark_is_that_of_the_columns_that_show_it(columns: list[list[str]], mark: str) -> None:
    assert decimal_mark_of(columns) == mark


def test_styles_that_read_the_same_numbers_are_not_ambiguous() -> None:
    texts = ["1\u00a0000", "12\u202f500", "7"]
    style = style_of(texts, "")
    assert style is not None
    assert [style.number_of(text) for text in texts] == [1000.0, 12500.0, 7.0]
    assert style_of(["1,234", "5,678"], "") is None


def test_points_are_thousands_separators_in_a_file_with_decimal_commas(tmp_path: Path) -> None:
    prices = [f"{n / 4:.2f}".replace(".", ",") for n in range(len(SALES))]
    source = read_source(written(tmp_path, ";", sales=SALES, price=prices), contract_of("sales", "price"))
    assert source.frame["sales"].tolist() == [float(n) for n in range(850, 2050, 50)]
    assert source.frame["price"].tolist() == [n / 4 for n in range(len(SALES))]
    assert source.notes[0] == "sales: numbers written like '850'"


def test_points_are_decimal_points_in_all_other_files(tmp_path: Path) -> None:
    source = read_source(written(tmp_path, ",", sales=SALES), contract_of("sales"))
    assert source.frame["sales"].tolist() == [float(text) for text in SALES]


@pytest.mark.parametrize("share", [["0.5", "0.25"], ["1.75", "3"]])
def test_commas_are_thousands_separators_in_a_file_with_decimal_points(tmp_path: Path, share: list[str]) -> None:
    pay = ["1,234", "25,000"]
    source = read_source(written(tmp_path, ",", pay=pay, share=share), contract_of("pay", "share"))
    assert source.frame["pay"].tolist() == [1234.0, 25000.0]


def test_a_comma_that_the_file_does_not_explain_is_no_number(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="pay: 2 values are not a number"):
        read_source(written(tmp_path, ",", pay=["1,234", "25,000"]), contract_of("pay"))


def test_the_numbers_of_a_data_frame_do_not_depend_on_other_columns() -> None:
    frame = pd.DataFrame({"size": [1.836, 2.125], "price": ["1,5", "2,5"], "y": ["yes", "no"]})
    source = source_from_frame(frame, contract_of("size", "price"), "frame")
    np.testing.assert_array_equal(source.frame["size"], [1.836, 2.125])
