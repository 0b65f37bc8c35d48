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
from numpy.typing import NDArray

from pmmds_core.errors import InputFileError
from pmmds_core.file_drift import compare_files
from pmmds_core.file_drift.compare import FileComparison
from pmmds_core.statistics.verdict import Verdict
from pmmds_core.stores.files.file_options import FileOptions

N = 1_000
Write = Callable[[pd.DataFrame, Path], None]


def psi_of(reference: NDArray[Any], current: NDArray[Any]) -> float:
    """PSI of counts with half a row added to every bin, as defined in docs/drift-statistics.md."""
    r, c = reference + 0.5, current + 0.5
    r, c = r / r.sum(), c / c.sum()
    return float(((c - r) * np.log(c / r)).sum())


def psi_of_values(reference: pd.Series[Any], current: pd.Series[Any]) -> float:
    """PSI with one bin for each value of the reference and one bin for all other values."""
    r = reference.value_counts()
    c = current.value_counts().reindex(r.index).fillna(0).to_numpy()
    n_unseen = len(current) - c.sum()
    if n_unseen == 0:
        return psi_of(r.to_numpy(), c)
    return psi_of(np.append(r.to_numpy(), 0), np.append(c, n_unseen))


def psis(result: FileComparison) -> dict[str, float | None]:
    return {f.feature: f.psi for f in result.features}


@pytest.fixture
def rows() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "plan": rng.choice(["a", "b", "c"], N, p=[0.5, 0.3, 0.2]),
            "active": rng.random(N) < 0.7,
            "amount": np.round(rng.gamma(2, 50, N), 2),
            "day": pd.date_range("2026-05-01", periods=N, freq="h"),
        }
    )


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


def test_a_single_column_with_decimal_commas_is_read_as_numbers(tmp_path: Path, rows: pd.DataFrame) -> None:
    rows[["amount"]].to_parquet(tmp_path / "a.parquet")
    for name in ("amount", "{amount}"):
        only = rows[["amount"]].rename(columns={"amount": name})
        only.to_parquet(tmp_path / "a.parquet")
        only.to_csv(tmp_path / "b.csv", index=False, sep=";", decimal=",")
        assert psis(compare_files(tmp_path / "a.parquet", tmp_path / "b.csv")) == {name: 0.0}
        assert psis(compare_files(tmp_path / "b.csv", tmp_path / "a.parquet")) == {name: 0.0}


def test_a_file_name_can_contain_glob_characters(tmp_path: Path, rows: pd.DataFrame) -> None:
    odd = tmp_path / "rows [1]*.parquet"
    rows.to_parquet(odd)
    assert set(psis(compare_files(odd, odd)).values()) == {0.0}


def test_a_new_code_in_a_discrete_column_is_unseen(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    reference = pd.DataFrame({"region": rng.integers(1, 4, N), "flag": rng.integers(0, 2, N), "zero": 0.0})
    current = reference.copy()
    current.loc[:350, "region"] = 4
    current.loc[:460, "flag"] = 2
    current.loc[:200, "zero"] = -1.0
    right = {name: psi_of_values(reference[name], current[name]) for name in reference}
    for suffix in ("parquet", "csv"):
        a, b = (tmp_path / f"{side}.{suffix}" for side in "ab")
        for frame, path in ((reference, a), (current, b)):
            frame.to_parquet(path) if suffix == "parquet" else frame.to_csv(path, index=False)
        assert psis(compare_files(a, b)) == pytest.approx(right, abs=1e-9)


@pytest.mark.parametrize("k", [11, 12, 20, 30])
@pytest.mark.parametrize(("old", "new"), [(1, 0), (1, -9), ("k", "k+1"), ("k", 999)])
def test_a_new_code_outside_the_range_of_many_codes_is_unseen(
    tmp_path: Path, k: int, old: int | str, new: int | str
) -> None:
    reference = np.random.default_rng(k).integers(1, k + 1, N).astype(float)
    words = {"k": k, "k+1": k + 1}
    gone, code = words.get(str(old), old), words.get(str(new), new)
    current = np.where(reference == gone, code, reference)
    for name, values in (("a", reference), ("b", current)):
        pd.DataFrame({"x": values}).to_parquet(tmp_path / f"{name}.parquet")
    edges = np.unique(np.quantile(reference, np.arange(1, 10) / 10, method="lower"))
    bins = np.where(current == code, len(edges) + 1, np.searchsorted(edges, current))
    counts = [np.bincount(b, minlength=len(edges) + 2) for b in (np.searchsorted(edges, reference), bins)]
    (feature,) = compare_files(tmp_path / "a.parquet", tmp_path / "b.parquet").features
    assert feature.unseen_share == np.mean(current == code)
    assert feature.psi == pytest.approx(psi_of(*counts), abs=1e-9)


def test_a_new_code_between_many_known_codes_is_unseen(tmp_path: Path) -> None:
    codes = np.array([*range(100, 400, 10), 405, 407])
    reference = np.random.default_rng(0).choice(codes, N)
    reference[:64] = np.repeat(codes, 2)
    pd.DataFrame({"x": reference}).to_parquet(tmp_path / "a.parquet")
    pd.DataFrame({"x": np.where(reference == 205, 206, np.where(reference == 210, 211, reference))}).to_csv(
        tmp_path / "b.csv", index=False
    )
    (feature,) = compare_files(tmp_path / "a.parquet", tmp_path / "b.csv").features
    assert feature.unseen_share == np.mean(reference == 210)
    result = compare_files(tmp_path / "a.parquet", tmp_path / "a.parquet")
    result.save_profile(tmp_path / "profile.json")
    (saved,) = compare_files(tmp_path / "profile.json", tmp_path / "b.csv").features
    assert saved.psi == feature.psi


def test_a_new_sentinel_value_in_a_mostly_constant_column_is_unseen(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    amount = np.where(rng.random(N) < 0.95, 0.0, rng.gamma(2, 50, N))
    current = np.where(np.arange(N) < 300, -1.0, amount)
    for name, values in (("a", amount), ("b", current)):
        pd.DataFrame({"amount": values}).to_parquet(tmp_path / f"{name}.parquet")
    result = compare_files(tmp_path / "a.parquet", tmp_path / "b.parquet")
    (feature,) = result.features
    assert feature.unseen_share == 0.3
    assert feature.statement == "amount: 30% of rows have a value that is not in the reference"


def test_floating_point_rounding_does_not_move_values_between_bins(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    cents = rng.integers(1, 400, N)
    exact = pd.DataFrame({"few": cents % 7 / 10, "many": cents / 100})
    summed = pd.DataFrame({"few": sum(np.where(cents % 7 > i, 0.1, 0.0) for i in range(7)), "many": cents * 0.1 * 0.1})
    assert not np.array_equal(exact["few"], summed["few"])
    exact.to_parquet(tmp_path / "a.parquet")
    for frame in (summed, exact.astype("float32"), summed.astype("float32")):
        frame.to_parquet(tmp_path / "b.parquet")
        assert psis(compare_files(tmp_path / "a.parquet", tmp_path / "b.parquet")) == {"few": 0.0, "many": 0.0}


def test_numbers_with_decimal_commas_are_recognized(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    amount = np.round(rng.gamma(2, 50, N), 2)
    larger = rng.choice(np.sort(amount)[-300:], N)
    for name, values in (("a", amount), ("b", larger)):
        pd.DataFrame({"amount": values, "x": 1}).to_csv(tmp_path / f"{name}.csv", sep=";", decimal=",", index=False)
    edges = np.quantile(amount, np.arange(1, 10) / 10, method="lower")
    counts = [np.bincount(np.searchsorted(edges, side, side="left"), minlength=10) for side in (amount, larger)]
    result = compare_files(tmp_path / "a.csv", tmp_path / "b.csv")
    assert psis(result)["amount"] == pytest.approx(psi_of(*counts), abs=1e-9)
    note = next(n for n in result.notes if n.column == "amount")
    assert (note.kind, note.is_notable) == ("numeric", True)
    assert "numbers written like" in note.why
    assert result.remarks == (f"amount: {note.why}",)
    assert f"<li>amount: {note.why}".replace("'", "&#39;") in result.to_html()


def test_columns_with_ambiguous_numbers_are_rejected(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x;y\n" + "1,234;5\n12,500;6\n" * 100, encoding="utf-8")
    with pytest.raises(InputFileError, match=r"'x' are ambiguous: '1,234' is 1234 or 1\.234"):
        compare_files(path, path)
    result = compare_files(path, path, options=FileOptions(decimal=","))
    assert [f.kind for f in result.features] == ["numeric", "numeric"]


def test_words_for_missing_values_are_recognized_in_numeric_columns(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    for word in ("NA", "n/a", "NULL", "-", "?", "#N/A"):
        texts = np.where(rng.random(N) < 0.02, word, rng.integers(18, 90, N).astype(str))
        blanks = np.where(texts == word, "", texts)
        pd.DataFrame({"age": texts}).to_csv(tmp_path / "a.csv", index=False)
        pd.DataFrame({"age": blanks}).to_csv(tmp_path / "b.csv", index=False)
        result = compare_files(tmp_path / "a.csv", tmp_path / "b.csv")
        assert (psis(result), result.features[0].kind) == ({"age": 0.0}, "numeric")
        assert repr(word) in result.notes[0].why


def test_an_unknown_word_among_numbers_is_rejected_unless_declared_missing(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("age\n" + "".join(f"{i % 60 + 20}\n" for i in range(500)) + "unknown\n" * 20, encoding="utf-8")
    with pytest.raises(InputFileError, match=r"'age' mixes 500 numbers with 20 other values, such as 'unknown'"):
        compare_files(path, path)
    (feature,) = compare_files(path, path, options=FileOptions(na=("unknown",))).features
    assert feature.kind == "numeric"
    assert feature.null_share_reference == pytest.approx(20 / 520)


def test_date_columns_are_left_out_in_every_format(tmp_path: Path, rows: pd.DataFrame) -> None:
    dated = rows.assign(week=rows["day"].dt.strftime("%G-W%V"), local=rows["day"].dt.strftime("%d.%m.%Y %H:%M"))
    dated.to_csv(tmp_path / "a.csv", index=False)
    dated.assign(day=dated["day"].astype(str)).to_parquet(tmp_path / "b.parquet")
    for path in (tmp_path / "a.csv", tmp_path / "b.parquet"):
        result = compare_files(path, path)
        assert list(psis(result)) == ["plan", "active", "amount"]
        assert [n.column for n in result.notes if n.kind is None] == ["day", "week", "local"]


@pytest.mark.parametrize("ids", [range(N), range(100_000, 100_000 + 3 * N, 3), [f"c{i}" for i in range(N)]])
def test_id_columns_are_left_out(tmp_path: Path, rows: pd.DataFrame, ids: list[Any]) -> None:
    with_ids = rows.assign(id=list(ids))
    for name, frame in (("set", with_ids.set_index("id")), ("column", with_ids)):
        frame.to_parquet(tmp_path / f"{name}.parquet")
    with_ids.to_csv(tmp_path / "a.csv", index=False)
    for file in ("set.parquet", "column.parquet", "a.csv"):
        result = compare_files(tmp_path / file, tmp_path / "a.csv")
        assert list(psis(result)) == ["plan", "active", "amount"]
        assert "id" in [n.column for n in result.notes if n.kind is None]


def test_amounts_without_duplicates_are_not_treated_as_ids(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    frame = pd.DataFrame({"cents": rng.choice(10**9, N, replace=False), "real": rng.normal(size=N)})
    frame.to_parquet(tmp_path / "a.parquet")
    assert list(psis(compare_files(tmp_path / "a.parquet", tmp_path / "a.parquet"))) == ["cents", "real"]


@pytest.mark.parametrize(
    "name", ["v", "n", "v0", "t0", "c0", "count", "filename", "file_row_number", "rowid", "key", "(null)"]
)
def test_column_names_do_not_collide_with_internal_names(tmp_path: Path, rows: pd.DataFrame, name: str) -> None:
    for column in ("plan", "amount"):
        path = tmp_path / f"{column}.parquet"
        rows.rename(columns={column: name}).to_parquet(path)
        result = compare_files(path, path)
        assert psis(result) == {name: 0.0} | {n: 0.0 for n in ("plan", "active", "amount") if n != column}


def test_a_category_named_like_a_special_bin_has_its_own_bin(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": ["(null)", "(unseen)", "a", None] * 100})
    frame.to_parquet(tmp_path / "a.parquet")
    (feature,) = compare_files(tmp_path / "a.parquet", tmp_path / "a.parquet").features
    labels = [b.label for b in feature.bins]
    assert sorted(labels) == sorted(["'(null)'", "'(unseen)'", "a", "(unseen)", "(null)"])
    assert {b.label: b.current_share for b in feature.bins}["(null)"] == 0.25


def test_the_reserved_name_of_the_score_is_rejected_for_a_feature(tmp_path: Path, rows: pd.DataFrame) -> None:
    path = tmp_path / "a.parquet"
    rows.assign(__score__=0.5).to_parquet(path)
    with pytest.raises(InputFileError, match=r"column '__score__', the name that reports use for the score"):
        compare_files(path, path)
    assert list(psis(compare_files(path, path, score="__score__"))) == ["plan", "active", "amount", "__score__"]
    ignored = compare_files(path, path, options=FileOptions(ignore=frozenset(["__score__"])))
    assert list(psis(ignored)) == ["plan", "active", "amount"]


@pytest.mark.parametrize("n", [1, 5, 99])
def test_a_small_reference_or_window_gives_insufficient_data(tmp_path: Path, rows: pd.DataFrame, n: int) -> None:
    rows[:n].to_parquet(tmp_path / "a.parquet")
    rows.assign(plan="z", amount=-5.0).to_parquet(tmp_path / "b.parquet")
    for a, b, side in (("a", "b", "reference"), ("b", "a", "window")):
        verdict = compare_files(tmp_path / f"{a}.parquet", tmp_path / f"{b}.parquet").verdict
        assert {r.verdict for r in verdict.rules} == {Verdict.INSUFFICIENT_DATA}
        assert f"{n} row" in verdict.reason_text
        assert f"in the {side}; at least 100 are required" in verdict.reason_text
        assert verdict.drifted_features == ()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"PK\x03\x04rest", "is a zip archive or an Excel workbook"),
        (b"\xff\xfea\x00,\x00b\x00\n\x00", "is text in UTF-16"),
        (b"ARROW1\0\0", "is an Arrow (Feather) file"),
        (b'a,"b\n1,2\n', "cannot be read as CSV in UTF-8: a quote is not closed"),
        (b",,\n1,2,3\n", "cannot be read as CSV in UTF-8: line 1 has no column names"),
        (gzip.compress(b"a,b\n1,2\n" * 9999, mtime=0)[:60], "cannot be decompressed"),
    ],
)
def test_the_error_for_a_file_that_is_not_csv_names_the_problem(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    with pytest.raises(InputFileError) as raised:
        compare_files(path, path)
    assert sentence in raised.value.message


def write_column(folder: Path, side: str, cells: Any) -> Path:
    path = folder / f"{side}.csv"
    pd.DataFrame({"plan": [f"p{i % 5}" for i in range(len(cells))], "x": list(cells)}).to_csv(
        path, sep=";", index=False
    )
    return path


def psi_in_bins_of(reference: NDArray[np.float64], current: NDArray[np.float64]) -> float:
    edges = np.unique(np.quantile(reference, np.arange(1, 10) / 10, method="lower"))
    counts = [
        np.bincount(np.searchsorted(edges, v, side="left"), minlength=len(edges) + 1) for v in (reference, current)
    ]
    return psi_of(*counts)


def in_german(value: float, decimals: int = 2) -> str:
    return f"{value:,.{decimals}f}".translate(str.maketrans(",.", ".,"))


def in_french(value: float) -> str:
    return f"{value:,.2f}".replace(",", "\u202f").replace(".", ",")


STYLES: dict[str, Callable[[float], str]] = {
    "plain": lambda v: f"{v:.2f}",
    "decimal comma": lambda v: f"{v:.2f}".replace(".", ","),
    "German": in_german,
    "French": in_french,
    "French with no-break spaces": lambda v: in_french(v).replace("\u202f", "\u00a0"),
    "Swiss": lambda v: f"{v:,.2f}".replace(",", "’"),
    "zloty": lambda v: f"{v:.2f} zł".replace(".", ","),
    "rouble": lambda v: f"{v:.2f} руб.",
    "rupee": lambda v: f"Rs. {v:.2f}",
    "accounting": lambda v: f"({-v:.2f})" if v < 0 else f"{v:.2f}",
    "minus at the end": lambda v: f"{-v:.2f}-" if v < 0 else f"{v:.2f}",
    "exponent with a comma": lambda v: f"{v:.6E}".replace(".", ","),
}


@pytest.mark.parametrize("write", STYLES.values(), ids=STYLES.keys())
def test_numbers_are_recognized_in_any_supported_format(tmp_path: Path, write: Callable[[float], str]) -> None:
    rng = np.random.default_rng(7)
    reference = np.round(rng.gamma(2, 300, N) - 200, 2)
    current = rng.choice(np.sort(reference)[-400:], N)
    plain = write_column(tmp_path, "plain", [f"{v:.2f}" for v in reference])
    local = write_column(tmp_path, "local", [write(v) for v in reference])
    moved = write_column(tmp_path, "moved", [write(v) for v in current])
    right = psi_in_bins_of(reference, current)
    assert psis(compare_files(plain, local))["x"] == 0.0
    assert psis(compare_files(plain, moved))["x"] == pytest.approx(right, abs=1e-9)
    assert psis(compare_files(local, moved))["x"] == pytest.approx(right, abs=1e-9)


def test_ambiguous_thousands_separators_are_resolved_from_other_data_or_options(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    reference = np.round(rng.gamma(3, 9_000, N)) + 1_000
    whole = [in_german(v, 0) for v in reference]
    plain = write_column(tmp_path, "plain", reference)
    full = write_column(tmp_path, "full", [in_german(v) for v in reference])
    short = write_column(tmp_path, "short", whole)
    assert psis(compare_files(full, short))["x"] == 0.0
    for a, b in ((plain, short), (short, plain)):
        for options in (FileOptions(decimal=","), FileOptions(thousands=".")):
            assert psis(compare_files(a, b, options=options))["x"] == 0.0
    other = tmp_path / "other.csv"
    pd.DataFrame({"plan": "a", "x": whole, "y": [in_german(v / 7) for v in reference]}).to_csv(
        other, sep=";", index=False
    )
    values = tmp_path / "values.csv"
    pd.DataFrame({"plan": "a", "x": reference, "y": np.round(reference / 7, 2)}).to_csv(values, index=False)
    for a, b in ((other, values), (values, other)):
        assert psis(compare_files(a, b)) == {"plan": 0.0, "x": 0.0, "y": 0.0}


@pytest.mark.parametrize("form", ["'{:.2f}", "{:.2f} m^2", "eur {:.2f}"])
def test_columns_with_unknown_number_formats_are_rejected(tmp_path: Path, form: str) -> None:
    path = write_column(tmp_path, "a", [form.format(i + 0.25) for i in range(N - 1)] + [form.format(0.25)])
    with pytest.raises(InputFileError, match="'x' seems to have numbers in an unknown format"):
        compare_files(path, path)


def test_a_number_that_means_missing_is_recognized_in_every_column_type(tmp_path: Path) -> None:
    age = np.random.default_rng(9).integers(18, 90, N)
    blank = np.where(np.arange(N) % 5 == 0, np.nan, age)
    pd.DataFrame({"x": blank}).to_parquet(tmp_path / "a.parquet")
    coded = pd.DataFrame({"x": np.where(np.isnan(blank), -999, age)})
    coded.to_parquet(tmp_path / "int.parquet")
    coded.astype(float).to_parquet(tmp_path / "float.parquet")
    coded.astype(float).to_csv(tmp_path / "float.csv", index=False)
    for file in ("int.parquet", "float.parquet", "float.csv"):
        result = compare_files(tmp_path / "a.parquet", tmp_path / file, options=FileOptions(na=("-999",)))
        assert (psis(result), result.features[0].null_share_current) == ({"x": 0.0}, 0.2)


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


def test_a_score_column_must_contain_probabilities_in_any_number_format(tmp_path: Path) -> None:
    score = np.round(np.random.default_rng(11).random(N), 3)
    a = write_column(tmp_path, "a", [f"{v:.3f}".replace(".", ",") for v in score])
    b = write_column(tmp_path, "b", np.round(score**2, 3))
    found = psis(compare_files(a, b, score="x"))["__score__"]
    assert found == pytest.approx(psi_in_bins_of(score, np.round(score**2, 3)), abs=0.01)
    for cells in (score * 100, ["high", "low"] * (N // 2), [f"{v * 100:.1f}%" for v in score]):
        path = write_column(tmp_path, "c", cells)
        with pytest.raises(InputFileError, match="values of the score 'x' are numbers from 0 to 1"):
            compare_files(path, path, score="x")
