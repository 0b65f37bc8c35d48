"""The same data gives the same result in any format, path, CSV dialect and type. pandas computes expected values."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pmmds_core.errors import InputFileError
from pmmds_core.file_drift import compare_files
from pmmds_core.statistics.verdict import Verdict
from pmmds_core.stores.files.file_options import FileOptions
from pmmds_tests.core.file_drift.one_column_files import N, psi_of_values, psis, write_column

Write = Callable[[pd.DataFrame, Path], None]


def as_csv(**options: Any) -> Write:
    return lambda frame, path: frame.to_csv(path, **({"index": False} | options))


def as_mixed_line_ends(frame: pd.DataFrame, path: Path) -> None:
    lines = frame.to_csv(index=False).splitlines()
    path.write_bytes(b"".join(line.encode() + (b"\r\n" if i % 3 else b"\n") for i, line in enumerate(lines)))


def as_zstd(frame: pd.DataFrame, path: Path) -> None:
    with pa.CompressedOutputStream(pa.OSFile(str(path), "wb"), "zstd") as file:
        file.write(frame.to_csv(index=False).encode())


def as_gzip(frame: pd.DataFrame, path: Path) -> None:
    path.write_bytes(gzip.compress(frame.to_csv(index=False).encode()))


def as_binary_text(frame: pd.DataFrame, path: Path) -> None:
    """Write Parquet text as binary columns without a UTF-8 annotation, as old writers do."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    plan = table.column("plan").cast(pa.binary())
    pq.write_table(table.set_column(0, "plan", plan), path)


def as_local_csv(frame: pd.DataFrame, path: Path) -> None:
    frame.to_csv(path, index=False, sep=";", decimal=",")


def as_r(frame: pd.DataFrame, path: Path) -> None:
    """Write CSV like R's write.csv: an unnamed column of row names, and booleans as TRUE and FALSE."""
    spelled = frame.assign(active=frame["active"].map({True: "TRUE", False: "FALSE"}))
    spelled.index += 1
    spelled.to_csv(path, quoting=2)


def as_write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write CSV like R's write.table: the header has no entry for the column of row names."""
    body = frame.set_axis(range(1, len(frame) + 1)).to_csv(header=False)
    path.write_text(",".join(frame.columns) + "\n" + body, encoding="utf-8")


def as_changed_csv(change: Callable[[str], str], **options: Any) -> Write:
    def write(frame: pd.DataFrame, path: Path) -> None:
        path.write_text(change(frame.to_csv(index=False, **options)), encoding="utf-8")

    return write


def with_spaced_names(frame: pd.DataFrame, path: Path) -> None:
    frame.rename(columns={"plan": " plan", "amount": "amount "}).to_parquet(path)


FORMATS: dict[str, Write] = {
    "parquet": lambda frame, path: frame.to_parquet(path, index=False),
    "parquet with a filtered index": lambda frame, path: (
        frame.set_axis(range(5, N + 5)).sample(frac=1).to_parquet(path)
    ),
    "parquet with text as bytes": as_binary_text,
    "parquet with 0 and 1": lambda frame, path: frame.assign(active=frame["active"].astype(int)).to_parquet(path),
    "parquet with float32": lambda frame, path: frame.astype({"amount": "float32"}).to_parquet(path),
    "parquet with decimals": lambda frame, path: pq.write_table(
        pa.Table.from_pandas(frame).set_column(2, "amount", pa.array(frame["amount"]).cast(pa.decimal128(9, 2))), path
    ),
    "csv": as_csv(),
    "csv with an index": as_csv(index=True),
    "csv with quotes": as_csv(quoting=1),
    "csv with a byte order mark": as_csv(encoding="utf-8-sig"),
    "csv with CR LF": as_csv(lineterminator="\r\n"),
    "csv with mixed line ends": as_mixed_line_ends,
    "csv with tabs": as_csv(sep="\t"),
    "csv with decimal commas": as_local_csv,
    "csv from R": as_r,
    "csv from write.table": as_write_table,
    "csv with blanks": lambda frame, path: frame.assign(plan=" " + frame["plan"] + " ").to_csv(path, index=False),
    "csv with lines ended by a delimiter": as_changed_csv(
        lambda text: "".join(line + ";\n" * (i > 0) + "\n" * (i == 0) for i, line in enumerate(text.splitlines())),
        sep=";",
        decimal=",",
    ),
    "csv with Excel's separator line": as_changed_csv(lambda text: "sep=;\n" + text, sep=";", decimal=","),
    "csv after blank lines": as_changed_csv(lambda text: "\n \n\n" + text),
    "parquet with blanks around names": with_spaced_names,
    "csv, gzip": as_gzip,
    "csv, zstd": as_zstd,
}


@pytest.mark.parametrize("current", FORMATS.values(), ids=FORMATS.keys())
@pytest.mark.parametrize("reference", [FORMATS["parquet"], FORMATS["csv"]], ids=["from parquet", "from csv"])
def test_the_same_rows_in_two_formats_show_no_drift(
    tmp_path: Path, rows: pd.DataFrame, reference: Write, current: Write
) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    reference(rows, a)
    current(rows, b)
    result = compare_files(a, b)
    assert psis(result) == {"plan": 0.0, "active": 0.0, "amount": 0.0}
    assert result.verdict.verdict is Verdict.STABLE
    assert result.warnings == ()


@pytest.mark.parametrize("reference", FORMATS.values(), ids=FORMATS.keys())
def test_files_of_every_format_can_be_the_reference(tmp_path: Path, rows: pd.DataFrame, reference: Write) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    reference(rows, a)
    rows.to_parquet(b)
    assert psis(compare_files(a, b)) == {"plan": 0.0, "active": 0.0, "amount": 0.0}


def test_folder_names_in_hive_partition_style_do_not_change_the_data(tmp_path: Path, rows: pd.DataFrame) -> None:
    moved = rows.assign(plan="c")
    folders = [tmp_path / "plan=a", tmp_path / "month=06"]
    for folder in folders:
        folder.mkdir()
    rows.to_parquet(folders[0] / "data.parquet")
    moved.to_parquet(folders[0] / "now.parquet")
    moved.to_parquet(folders[1] / "now.parquet")
    right = psi_of_values(rows["plan"], moved["plan"])
    for current in (folders[0] / "now.parquet", folders[1] / "now.parquet", folders[1]):
        found = psis(compare_files(folders[0] / "data.parquet", current))
        assert found["plan"] == pytest.approx(right, abs=1e-9)
        assert list(found) == ["plan", "active", "amount"]


def test_a_folder_or_glob_pattern_is_read_as_one_file(tmp_path: Path, rows: pd.DataFrame) -> None:
    rows.to_parquet(tmp_path / "whole.parquet")
    parts = tmp_path / "parts"
    (parts / "day=2").mkdir(parents=True)
    rows[:300].to_parquet(parts / "one.parquet")
    rows[300:].iloc[:, ::-1].to_parquet(parts / "day=2" / "two.parquet")
    (parts / "_SUCCESS").write_bytes(b"")
    (parts / "._one.parquet").write_bytes(b"not Parquet")
    for many in (parts, parts / "**" / "[ot]*.parquet"):
        result = compare_files(many, tmp_path / "whole.parquet")
        assert set(psis(result).values()) == {0.0}
        assert result.profile.n_rows == N
    rows.drop(columns="plan").to_parquet(parts / "three.parquet")
    with pytest.raises(InputFileError, match=r"three\.parquet lacks the column 'plan' that .*two\.parquet has"):
        compare_files(parts, tmp_path / "whole.parquet")


def test_column_names_that_differ_in_case_are_not_merged_across_files(tmp_path: Path, rows: pd.DataFrame) -> None:
    pair = rows[["amount"]].assign(Amount=rows["amount"] * 100)
    parts = tmp_path / "parts"
    parts.mkdir()
    pair.to_parquet(tmp_path / "whole.parquet")
    pair[:500].to_parquet(parts / "one.parquet")
    pair[500:].to_parquet(parts / "two.parquet")
    assert psis(compare_files(tmp_path / "whole.parquet", parts)) == {"amount": 0.0, "Amount": 0.0}
    pair[500:].iloc[:, ::-1].to_parquet(parts / "two.parquet")
    with pytest.raises(InputFileError, match="several columns are called 'amount'"):
        compare_files(tmp_path / "whole.parquet", parts)


def test_a_file_name_can_contain_glob_characters(tmp_path: Path, rows: pd.DataFrame) -> None:
    odd = tmp_path / "rows [1]*.parquet"
    rows.to_parquet(odd)
    assert set(psis(compare_files(odd, odd)).values()) == {0.0}


def test_date_columns_are_left_out_in_every_format(tmp_path: Path, rows: pd.DataFrame) -> None:
    dated = rows.assign(week=rows["day"].dt.strftime("%G-W%V"), local=rows["day"].dt.strftime("%d.%m.%Y %H:%M"))
    dated.to_csv(tmp_path / "a.csv", index=False)
    dated.assign(day=dated["day"].astype(str)).to_parquet(tmp_path / "b.parquet")
    for path in (tmp_path / "a.csv", tmp_path / "b.parquet"):
        result = compare_files(path, path)
        assert list(psis(result)) == ["plan", "active", "amount"]
        assert [n.column for n in result.notes if n.kind is None] == ["day", "week", "local"]


def test_booleans_are_equal_in_all_supported_spellings(tmp_path: Path) -> None:
    flag = np.random.default_rng(10).random(N) < 0.7
    pd.DataFrame({"x": flag}).to_parquet(tmp_path / "a.parquet")
    for true, false in (("t", "f"), ("T", "F"), ("yes", "no"), ("1.0", "0.0")):
        pd.DataFrame({"x": np.where(flag, true, false)}).to_csv(tmp_path / "b.csv", index=False)
        assert psis(compare_files(tmp_path / "a.parquet", tmp_path / "b.csv")) == {"x": 0.0}
    for true, false in (("t", "f"), ("T", "F"), ("1", "0")):
        pd.DataFrame({"x": np.where(flag, true, false)}).to_csv(tmp_path / "b.csv", index=False)
        options = FileOptions(categorical=frozenset(["x"]))
        assert psis(compare_files(tmp_path / "b.csv", tmp_path / "a.parquet", options=options)) == {"x": 0.0}


@pytest.mark.parametrize("form", ["%m/%Y", "%b %Y", "%Y Q1", "KW %V/%Y", "%d.%m.%Y", "%d. %B %Y"])
def test_period_columns_with_missing_values_are_left_out(tmp_path: Path, form: str) -> None:
    days = pd.date_range("2020-01-01", periods=N, freq="53h").strftime(form).to_series().to_numpy()
    path = write_column(tmp_path, "a", np.where(np.arange(N) % 9 == 0, "NULL", days))
    assert list(psis(compare_files(path, path))) == ["plan"]


def test_empty_columns_are_equal_in_every_file_format(tmp_path: Path) -> None:
    nothing = [tmp_path / name for name in ("a.parquet", "b.parquet", "c.csv", "d.csv")]
    pq.write_table(pa.table({"plan": ["a"] * N, "x": pa.nulls(N)}), nothing[0])
    pd.DataFrame({"plan": ["a"] * N, "x": [np.nan] * N}).to_parquet(nothing[1])
    for path, word in zip(nothing[2:], ("", "NA"), strict=True):
        path.write_text("plan,x\n" + f"a,{word}\n" * N, encoding="utf-8")
    for a in nothing:
        for b in nothing:
            assert psis(compare_files(a, b)) == {"plan": 0.0, "x": 0.0}
