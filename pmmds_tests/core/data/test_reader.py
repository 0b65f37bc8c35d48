"""Source files are converted to the contract's rows, or rejected as a whole with the location of every error."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pmmds_core.contracts.contract import Contract, load_contract, parse_contract
from pmmds_core.data.reader import read_source, source_from_frame, to_columns
from pmmds_core.errors import DataError

CONTRACT = load_contract("")

# Three customers in the format of the public Telco file.
CUSTOMERS = """\
customerID,gender,SeniorCitizen,Partner,Dependents,tenure,PhoneService,MultipleLines,InternetService,OnlineSecurity,\
OnlineBackup,DeviceProtection,TechSupport,StreamingTV,StreamingMovies,Contract,PaperlessBilling,PaymentMethod,\
MonthlyCharges,TotalCharges,Churn
A-1,Female,0,Yes,No,1,No,No phone service,DSL,No,Yes,No,No,No,No,Month-to-month,Yes,Electronic check,29.85,29.85,No
B-2,Male,1,No,No,34,Yes,No,Fiber optic,Yes,No,Yes,No,No,No,One year,No,Mailed check,56.95,1889.5,Yes
C-3,Female,0,Yes,Yes,0,Yes,No,No,No internet service,No internet service,No internet service,No internet service,\
No internet service,No internet service,Two year,No,Mailed check,20.25, ,No
"""

SMALL = """
name: machines
model_name: machine-failure
description: Machine failures.
row_id: serial
label: {name: failed, source: Failed, positive: "yes", negative: "no"}
features:
  - {name: hours, source: Hours, kind: numeric, type: integer, description: d, example: "3",
     minimum: 0, maximum: 100, blank: {means: missing, written_as: [NA]}}
  - {name: heat, source: Heat, kind: numeric, type: float, description: d, example: "3.5", unit: degrees}
  - {name: color, source: Color, kind: categorical, type: string, values: [red, blue], description: d, example: red,
     blank: {means: blue, written_as: ["?"]}}
"""


@pytest.fixture(scope="module")
def machines() -> Contract:
    return parse_contract(SMALL, "machines.yaml")


def file_of(tmp_path: Path, text: str, name: str = "rows.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def edited(customer: int, column: str, value: str) -> str:
    """Return CUSTOMERS with one cell replaced; `customer` counts rows from 1."""
    rows = list(csv.reader(CUSTOMERS.splitlines()))
    rows[customer][rows[0].index(column)] = value
    return "\n".join(",".join(row) for row in rows) + "\n"


def problems_of(path: Path, contract: Contract = CONTRACT) -> list[str]:
    """Return the problem lines of the error message."""
    with pytest.raises(DataError) as caught:
        read_source(path, contract)
    assert "No rows were loaded" in caught.value.next_step
    return [line[2:] for line in caught.value.message.splitlines() if line.startswith("- ")]


def test_the_public_telco_file_is_converted_to_contract_names_and_types(tmp_path: Path) -> None:
    data = read_source(file_of(tmp_path, CUSTOMERS), CONTRACT)
    assert list(data.frame.columns) == [*CONTRACT.feature_names, "churn"]
    assert (data.n_rows, data.ignored_columns) == (3, ())
    assert data.row_ids is not None
    assert data.row_ids.tolist() == ["A-1", "B-2", "C-3"]
    assert data.frame["churn"].tolist() == [0, 1, 0]
    assert data.frame["senior_citizen"].tolist() == [0, 1, 0]
    assert data.frame["tenure"].tolist() == [1, 34, 0]
    kinds = {name: str(dtype) for name, dtype in data.frame.dtypes.items()}
    assert (kinds["senior_citizen"], kinds["monthly_charges"], kinds["contract"]) == ("int64", "float64", "object")


def test_a_blank_total_charge_is_read_as_zero(tmp_path: Path) -> None:
    frame = read_source(file_of(tmp_path, CUSTOMERS), CONTRACT).frame
    assert frame["total_charges"].tolist() == [29.85, 1889.5, 0.0]


def test_a_file_with_contract_column_names_gives_the_same_rows(tmp_path: Path) -> None:
    first = read_source(file_of(tmp_path, CUSTOMERS), CONTRACT)
    renamed = tmp_path / "renamed.csv"
    first.frame.to_csv(renamed, index=False)
    again = read_source(renamed, CONTRACT)
    pd.testing.assert_frame_equal(again.frame, first.frame)
    assert again.digest == first.digest
    assert again.row_ids is None


def test_parquet_files_are_recognized_regardless_of_their_suffix(tmp_path: Path) -> None:
    path = file_of(tmp_path, CUSTOMERS)
    expected = read_source(path, CONTRACT)
    typed = pd.read_csv(path)
    typed["TotalCharges"] = pd.to_numeric(typed["TotalCharges"], errors="coerce")
    for name in ("rows.parquet", "rows.data"):
        typed.to_parquet(tmp_path / name)
        found = read_source(tmp_path / name, CONTRACT)
        pd.testing.assert_frame_equal(found.frame, expected.frame)
        assert found.digest == expected.digest


def test_a_data_frame_and_its_file_have_the_same_digest(tmp_path: Path) -> None:
    path = file_of(tmp_path, CUSTOMERS)
    assert source_from_frame(pd.read_csv(path), CONTRACT, "rows").digest == read_source(path, CONTRACT).digest


def test_spaces_bom_quotes_and_crlf_do_not_change_the_digest(tmp_path: Path) -> None:
    plain = read_source(file_of(tmp_path, CUSTOMERS), CONTRACT)
    odd = CUSTOMERS.replace("Electronic check", '" Electronic check "').replace("\n", "\r\n") + "\r\n"
    path = tmp_path / "odd.csv"
    path.write_bytes(b"\xef\xbb\xbf" + odd.encode())
    assert read_source(path, CONTRACT).digest == plain.digest


def test_a_file_without_labels_is_accepted_if_labels_are_optional(tmp_path: Path) -> None:
    unlabelled = pd.read_csv(file_of(tmp_path, CUSTOMERS)).drop(columns="Churn")
    unlabelled.to_csv(tmp_path / "unlabelled.csv", index=False)
    data = read_source(tmp_path / "unlabelled.csv", CONTRACT, needs_label=False)
    assert list(data.frame.columns) == list(CONTRACT.feature_names)
    with pytest.raises(DataError, match="1 of 20 columns are missing: Churn"):
        read_source(tmp_path / "unlabelled.csv", CONTRACT)


def test_columns_that_are_not_in_the_contract_are_ignored_and_listed(tmp_path: Path) -> None:
    wide = pd.read_csv(file_of(tmp_path, CUSTOMERS)).assign(Note="x", City="Bern")
    wide.to_csv(tmp_path / "wide.csv", index=False)
    assert read_source(tmp_path / "wide.csv", CONTRACT).ignored_columns == ("Note", "City")


def test_profile_columns_preserve_types_and_missing_values(tmp_path: Path, machines: Contract) -> None:
    path = file_of(tmp_path, "Hours,Heat,Color,Failed\n1,2.5,red,yes\nNA,3,?,no\n")
    data = read_source(path, machines)
    assert str(data.frame["hours"].dtype) == "float64"
    columns = to_columns(data.frame, machines)
    np.testing.assert_array_equal(columns["hours"], [1.0, np.nan])
    assert columns["color"].tolist() == ["red", "blue"]


@pytest.mark.parametrize(
    ("customer", "column", "value", "problem"),
    [
        (2, "Contract", "Three year", "not among the allowed values. Expected one of: Month-to-month, One year"),
        (1, "tenure", "a year", "not a number (line 2: 'a year')"),
        (2, "tenure", "1.5", "not a whole number (line 3: '1.5')"),
        (3, "tenure", "101", "outside 0 to 100 months (line 4: '101')"),
        (1, "SeniorCitizen", "2", "outside 0 to 1 flag (line 2: '2')"),
        (1, "MonthlyCharges", "", "blank, but the contract does not define what a blank means (line 2: '')"),
        (1, "MonthlyCharges", "inf", "not a number (line 2: 'inf')"),
        (2, "Churn", "Maybe", "not a label. Expected Yes or No (line 3: 'Maybe')"),
        (3, "Churn", "", "not a label. Expected Yes or No (line 4: '')"),
        (1, "customerID", "B-2", "1 row ids are blank or duplicated (line 3: 'B-2')"),
    ],
)
def test_an_invalid_value_is_reported_with_its_column_and_line(
    tmp_path: Path, customer: int, column: str, value: str, problem: str
) -> None:
    found = problems_of(file_of(tmp_path, edited(customer, column, value)))
    assert len(found) == 1
    assert found[0].startswith(f"{column}: 1 ")
    assert problem in found[0]


def test_all_problems_are_reported_with_counts_and_example_lines(tmp_path: Path) -> None:
    rows = ["Hours,Heat,Color,Failed"] + ["500,hot,green,yes"] * 7
    found = problems_of(file_of(tmp_path, "\n".join(rows)), parse_contract(SMALL, "machines.yaml"))
    assert [line.split(" values are")[0] for line in found] == ["Hours: 7", "Heat: 7", "Color: 7"]
    assert "(line 2: '500', line 3: '500', line 4: '500', …)" in found[0]


def test_line_numbers_include_newlines_in_quoted_cells(tmp_path: Path, machines: Contract) -> None:
    path = file_of(tmp_path, 'Hours,Heat,Color,Failed,Note\n1,2,red,yes,"two\nlines"\n1,warm,red,no,x\n')
    assert problems_of(path, machines) == ["Heat: 1 value is not a number (line 4: 'warm')"]


def test_errors_about_data_frames_state_row_numbers_starting_at_one(machines: Contract) -> None:
    frame = pd.DataFrame({"Hours": [1, 2], "Heat": [1.0, np.nan], "Color": ["red", None], "Failed": ["yes", "no"]})
    with pytest.raises(DataError, match=r"Heat: 1 value is blank.*\(row 2: ''\)"):
        source_from_frame(frame, machines, "rows")


def test_the_error_for_an_unrelated_file_lists_its_columns(tmp_path: Path) -> None:
    path = file_of(tmp_path, "sepal,petal\n1,2\n")
    with pytest.raises(DataError) as caught:
        read_source(path, CONTRACT)
    assert "20 of 20 columns are missing: gender, SeniorCitizen" in caught.value.message
    assert "The file has: sepal, petal." in caught.value.message
    assert "'telco_churn'" in caught.value.next_step


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("Hours,Heat,Color,Failed\n", "has a header but no rows"),
        (",,,\n1,2,red,yes\n", "line 1 has no column names"),
        ("Hours,Heat,Hours,Failed\n1,2,3,yes\n", "duplicate column names: 'Hours'"),
        (
            "Hours,Heat,Color,Failed\n1,2,red,yes\n1,2\n",
            "1 of 2 rows do not have the header's 4 cells",
        ),
        ('Hours,Heat,Color,Failed\n1,"2,red,yes\n', "invalid CSV"),
        ("Hours,Heat\0\n", "NUL bytes"),
    ],
)
def test_a_malformed_csv_file_is_rejected(tmp_path: Path, machines: Contract, text: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read_source(file_of(tmp_path, text), machines)
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("name", "raw", "message"),
    [
        ("latin.csv", "Hours,Heat\n1,caf\xe9\n".encode("latin-1"), "line 2 contains the byte 0xe9"),
        ("cut.parquet", b"PAR1 and then nothing", "not a readable Parquet file"),
    ],
)
def test_files_that_are_not_tables_are_rejected(
    tmp_path: Path, machines: Contract, name: str, raw: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(raw)
    with pytest.raises(DataError, match=message):
        read_source(tmp_path / name, machines)


def test_the_error_for_a_missing_file_suggests_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: No such file") as caught:
        read_source(tmp_path / "nowhere.csv", CONTRACT)
    assert "PMMDS_DATA_PATH" in caught.value.next_step


def test_ones_and_zeros_are_labels_unless_the_contract_defines_them(tmp_path: Path) -> None:
    path = file_of(tmp_path, "Hours,Heat,Color,Failed\n1,2,red,1\n1,2,red,0\n")
    swapped = SMALL.replace('positive: "yes", negative: "no"', 'positive: "0", negative: "1"')
    labels: dict[str, Any] = {
        text: read_source(path, parse_contract(text, "c.yaml")).frame["failed"].tolist() for text in (SMALL, swapped)
    }
    assert labels == {SMALL: [1, 0], swapped: [0, 1]}


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("Hours;Heat;Color;Failed\n1;2,5;red;yes\n;3,0;blue;no\n", "Heat: numbers written like '2,5'"),
        ("Hours\tHeat\tColor\tFailed\r\n1\t2.5\tred\tyes\n\t3.0\tblue\tno\n", ""),
        (",Hours,Heat,Color,Failed\n0,1,2.5,red,yes\n1,NA,3.0,blue,no\n", ""),
        ("Hours,Heat,Color,Failed\n7,1,2.5,red,yes\n9,n/a,3.0,blue,no\n", ""),
        ("Hours,Heat,Color,Failed\n1,2.5 °C,red,yes\nNULL,3 °C,blue,no\n", "Heat: numbers written like '2.5 °C'"),
    ],
)
def test_common_csv_variants_give_the_same_rows(tmp_path: Path, machines: Contract, text: str, note: str) -> None:
    plain = read_source(file_of(tmp_path, "Hours,Heat,Color,Failed\n1,2.5,red,yes\n,3.0,blue,no\n"), machines)
    data = read_source(file_of(tmp_path, text, "other.csv"), machines)
    assert data.digest == plain.digest
    assert data.notes == ((note,) if note else ())


def test_compressed_csv_and_binary_parquet_text_are_supported(tmp_path: Path) -> None:
    plain = read_source(file_of(tmp_path, CUSTOMERS), CONTRACT)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(CUSTOMERS.encode()))
    with pa.CompressedOutputStream(pa.OSFile(str(tmp_path / "a.csv.zst"), "wb"), "zstd") as file:
        file.write(CUSTOMERS.encode())
    frame = pd.read_csv(file_of(tmp_path, CUSTOMERS))
    frame["Contract"] = frame["Contract"].str.encode("utf-8")
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), tmp_path / "old.parquet")
    for name in ("a.csv.gz", "a.csv.zst", "old.parquet"):
        assert read_source(tmp_path / name, CONTRACT).digest == plain.digest


def test_a_named_index_becomes_a_column_and_an_unnamed_index_is_left_out(tmp_path: Path) -> None:
    frame = pd.read_csv(file_of(tmp_path, CUSTOMERS))
    frame.set_index("customerID").to_parquet(tmp_path / "named.parquet")
    frame.set_axis([5, 7, 6]).to_parquet(tmp_path / "unnamed.parquet")
    plain = read_source(file_of(tmp_path, CUSTOMERS), CONTRACT)
    for name in ("named.parquet", "unnamed.parquet"):
        data = read_source(tmp_path / name, CONTRACT)
        assert data.digest == plain.digest
        np.testing.assert_array_equal(data.row_ids, plain.row_ids)
        assert data.ignored_columns == ()
    twice = pd.concat([frame, frame[:1]]).set_index("customerID")
    twice.to_parquet(tmp_path / "twice.parquet")
    assert "1 row ids are blank or duplicated" in problems_of(tmp_path / "twice.parquet")[0]
    with pytest.raises(DataError, match="1 row ids are blank or duplicated"):
        source_from_frame(twice, CONTRACT, "rows")


@pytest.mark.parametrize(
    ("values", "cells", "expected"),
    [
        (["true", "false"], [True, False], ["true", "false"]),
        (["True", "False"], ["TRUE", "0"], ["True", "False"]),
        (["1", "2.5"], [1.0, 2.5], ["1", "2.5"]),
        (["1.0", "2.0"], ["1", " 2.00"], ["1.0", "2.0"]),
        (["1.0", "1"], ["1.0", "1"], ["1.0", "1"]),
    ],
)
def test_equal_categories_are_spelled_as_in_the_contract(
    tmp_path: Path, values: list[str], cells: list[Any], expected: list[str]
) -> None:
    text = SMALL.replace("red, blue", ", ".join(f'"{v}"' for v in values))
    text = text.replace("example: red", f'example: "{values[0]}"').replace("means: blue", f'means: "{values[0]}"')
    frame = pd.DataFrame({"Hours": 1, "Heat": 2.0, "Color": cells, "Failed": "no"})
    frame.to_parquet(tmp_path / "a.parquet")
    assert read_source(tmp_path / "a.parquet", parse_contract(text, "c.yaml")).frame["color"].tolist() == expected


@pytest.mark.parametrize("change", ["value", "order", "name"])
def test_the_digest_depends_only_on_content_and_order(tmp_path: Path, change: str) -> None:
    frame = read_source(file_of(tmp_path, CUSTOMERS), CONTRACT)
    other = edited(1, "tenure", "2")
    if change == "order":
        header, *rows = CUSTOMERS.splitlines()
        other = "\n".join([header, *reversed(rows)]) + "\n"
    found = read_source(file_of(tmp_path, CUSTOMERS if change == "name" else other, "other.csv"), CONTRACT)
    assert (found.digest == frame.digest) is (change == "name")
