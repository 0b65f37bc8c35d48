"""`pmmds drift compare` prints tables, writes files, sets exit codes, and explains invalid input in one sentence."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pmmds_core.synthetic.generator import packaged_generator
from pmmds_tests.harness.command_line import Said, pmmds

Compare = Callable[..., Said]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files: a is the reference, b has the same population, moved has three shifted features, few has 40 rows."""
    folder = tmp_path_factory.mktemp("files")
    frame = packaged_generator().sample(4000, 5).drop(columns="churn")
    frame[:2000].to_parquet(folder / "a.parquet", index=False)
    frame[2000:].to_csv(folder / "b.csv", index=False)
    moved = frame[2000:].assign(contract="Month-to-month", tenure=1, monthly_charges=199.0)
    moved.to_parquet(folder / "moved.parquet", index=False)
    frame[:40].to_csv(folder / "few.csv", index=False)
    return folder


@pytest.fixture
def compare(files: Path, tmp_path: Path) -> Compare:
    """Return a function that runs the tested command on two of the files in `files`."""

    def run(reference: str, current: str, *more: str) -> Said:
        arguments = ("drift", "compare", "--reference", reference, "--current", current, *more)
        return pmmds(tmp_path / "home", *arguments, cwd=files)

    return run


def test_samples_of_one_population_are_stable(compare: Compare, tmp_path: Path) -> None:
    said = compare("a.parquet", "b.csv", "--fail-on-drift")
    assert said.code == 0
    assert "Stable. 0 of 19 features have a PSI above 0.2" in said.out
    assert max(map(len, said.out.splitlines()[:20])) <= 100
    assert not (tmp_path / "home").exists()


def test_drift_fails_only_with_fail_on_drift(compare: Compare) -> None:
    assert compare("a.parquet", "moved.parquet").code == 0
    said = compare("a.parquet", "moved.parquet", "--fail-on-drift")
    assert said.code == 3
    assert "Drifted. 3 of 19 features" in said.out
    assert (
        said.out.splitlines()[1].split()[:2] == ["monthly_charges", "numeric"] or "tenure" in said.out.splitlines()[1]
    )


def test_too_few_rows_exit_with_4(compare: Compare) -> None:
    said = compare("a.parquet", "few.csv", "--json")
    assert said.code == 4
    assert said.document["verdict"] == "insufficient_data"


def test_json_output_has_the_format_of_a_stored_report(compare: Compare) -> None:
    document = compare("a.parquet", "moved.parquet", "--contract", "telco_churn", "--json").document
    assert (document["n_reference"], document["n_current"], document["verdict"]) == (2000, 2000, "drifted")
    assert document["rules"][0]["verdict"] == "drifted"
    contract = next(f for f in document["features"] if f["feature"] == "contract")
    assert contract["kind"] == "categorical"
    assert {"psi", "kl_divergence", "js_distance", "band", "p_value", "unseen_share"} <= contract.keys()
    assert [b["label"] for b in contract["bins"]][:3] == ["Month-to-month", "One year", "Two year"]
    assert contract["bins"][0]["current_share"] == 1.0
    assert {c["why"] for c in document["columns"]} == {"from the contract"}


def test_saved_profile_can_be_used_as_reference(compare: Compare, tmp_path: Path) -> None:
    page, profile = tmp_path / "drift.html", tmp_path / "a.json"
    first = compare("a.parquet", "moved.parquet", "--html", str(page), "--save-profile", str(profile), "--json")
    assert first.code == 0
    assert "<html" in page.read_text(encoding="utf-8")
    assert profile.stat().st_size < 20_000
    again = compare(str(profile), "moved.parquet", "--json")
    assert again.document["features"] == first.document["features"]
    assert list(tmp_path.iterdir()) == [page, profile] or {*tmp_path.iterdir()} == {page, profile}


@pytest.fixture(scope="module")
def bad(files: Path) -> Path:
    """Files that cannot be compared, one for each reason."""
    folder = files / "bad"
    folder.mkdir()
    good = pd.read_parquet(files / "a.parquet")
    (folder / "empty.csv").write_bytes(b"")
    (folder / "header.csv").write_text(",".join(good.columns) + "\n", encoding="utf-8")
    good[:0].to_parquet(folder / "header.parquet")
    good.drop(columns=["tenure", "contract"]).to_parquet(folder / "columns.parquet")
    good.rename(columns={"tenure": "months"}).to_csv(folder / "renamed.csv", index=False)
    (folder / "twice.csv").write_text("a,b,a\n1,2,3\n", encoding="utf-8")
    raw = (files / "a.parquet").read_bytes()
    (folder / "truncated.parquet").write_bytes(raw[: len(raw) // 2])
    damaged = bytearray(raw)
    damaged[2000:6000] = b"\xff" * 4000
    (folder / "damaged.parquet").write_bytes(bytes(damaged))
    (folder / "ragged.csv").write_text("a,b\n1,2\n3\n4,5\n" * 50, encoding="utf-8")
    (folder / "quotes.csv").write_text('a,b\n1,"2\n3,4\n', encoding="utf-8")
    (folder / "latin.csv").write_bytes("a,b\nstraße,1\n".encode("latin-1") * 50)
    (folder / "late_latin.csv").write_bytes(b"a,b\n" + b"x,1\n" * 2_000_000 + "ß,1\n".encode("latin-1"))
    (folder / "late_ragged.csv").write_bytes(b"a,b\n" + b"x,1\n" * 2_000_000 + b"1,2,3\n" + b"x,1\n")
    (folder / "ends.csv").write_bytes(b"a,b\r\n" + b"x,1\r\n" * 50 + b"x,2\n" + b"x,1,9\r\n" * 50)
    (folder / "pipe.csv").write_text('a,b\n1,5" pipe\n2,6" pipe\n3,x\n', encoding="utf-8")
    (folder / "binary.csv").write_bytes(b"a,b\n\0\0,1\n")
    (folder / "mixed.csv").write_text("x\n" + "\n".join(map(str, range(500))) + "\noops\n", encoding="utf-8")
    ids = pd.DataFrame({"id": [f"c{i}" for i in range(10_000)]})
    ids.to_csv(folder / "ids.csv", index=False)
    (folder / "profile.json").write_text('{"contract_digest": "", "n_rows": 5', encoding="utf-8")
    (folder / "folder").mkdir()
    shutil.copy(files / "a.parquet", folder / "unlike.parquet")
    good.assign(contract=np.arange(len(good)) % 7).to_parquet(folder / "unlike.parquet")
    return folder


@pytest.mark.parametrize(
    ("reference", "current", "more", "expected"),
    [
        ("nothing.csv", "b.csv", "", "nothing.csv cannot be read: No such file or directory"),
        ("a.parquet", "bad/folder", "", "bad/folder contains no Parquet file"),
        ("a.parquet", "bad/*.parq", "", "No file matches bad/*.parq"),
        ("bad/empty.csv", "b.csv", "", "bad/empty.csv is empty"),
        ("a.parquet", "bad/header.csv", "", "bad/header.csv has a header but no rows"),
        ("a.parquet", "bad/header.parquet", "", "bad/header.parquet has a header but no rows"),
        ("a.parquet", "bad/columns.parquet", "", "lacks columns that a.parquet has: tenure, contract"),
        ("a.parquet", "bad/renamed.csv", "", "bad/renamed.csv lacks columns that a.parquet has: tenure"),
        ("bad/twice.csv", "bad/twice.csv", "", "duplicate column names: 'a'"),
        ("a.parquet", "bad/truncated.parquet", "", "bad/truncated.parquet cannot be read"),
        ("a.parquet", "bad/damaged.parquet", "", "bad/damaged.parquet cannot be read"),
        ("bad/ragged.csv", "bad/ragged.csv", "", "line 3: Expected Number of Columns: 2 Found: 1"),
        ("bad/quotes.csv", "bad/quotes.csv", "", "a quote is not closed"),
        ("bad/latin.csv", "bad/latin.csv", "", "line 2 is not UTF-8"),
        ("bad/late_latin.csv", "bad/late_latin.csv", "", "line 2000002 is not UTF-8"),
        ("bad/late_ragged.csv", "bad/late_ragged.csv", "", "line 2000002: Expected Number of Columns: 2 Found: 3"),
        ("bad/ends.csv", "bad/ends.csv", "", "line 53 has 3 cells, but the header has 2"),
        ("bad/pipe.csv", "bad/pipe.csv", "", "not all of its 2 rows"),
        ("bad/binary.csv", "bad/binary.csv", "", "line 2 contains a NUL byte"),
        ("bad/mixed.csv", "bad/mixed.csv", "", "'x' mixes 500 numbers with 1 other values"),
        ("bad/ids.csv", "bad/ids.csv", "", "id: text that differs in every row, like an identifier"),
        ("bad/profile.json", "b.csv", "", "bad/profile.json is not a saved profile"),
        ("a.parquet", "b.csv", "--contract missing.yaml", "missing.yaml cannot be read"),
        ("bad/ids.csv", "bad/ids.csv", "--contract telco_churn", "does not match the contract 'telco_churn'"),
        ("bad/unlike.parquet", "b.csv", "--contract telco_churn", "no value of contract is allowed"),
        ("a.parquet", "b.csv", "--columns tenure,nope", "has no column 'nope'"),
        ("a.parquet", "b.csv", "--score nope", "has no column 'nope'"),
        ("a.parquet", "b.csv", "--html no/such/page.html", "its folder does not exist"),
        ("a.parquet", "b.csv", "--html b.csv", "b.csv is one of the input files"),
    ],
)
def test_invalid_input_prints_one_sentence_and_writes_nothing(
    compare: Compare, bad: Path, tmp_path: Path, reference: str, current: str, more: str, expected: str
) -> None:
    page, profile = tmp_path / "page.html", tmp_path / "profile.json"
    html = () if "--html" in more else ("--html", str(page))
    said = compare(reference, current, *more.split(), *html, "--save-profile", str(profile))
    assert expected in said.sentence
    assert said.code == 2
    assert said.out == ""
    assert list(tmp_path.iterdir()) == []


def test_profile_of_another_contract_is_rejected(compare: Compare, files: Path, tmp_path: Path) -> None:
    profile = tmp_path / "a.json"
    assert compare("a.parquet", "b.csv", "--save-profile", str(profile)).code == 0
    said = compare(str(profile), "b.csv", "--contract", "telco_churn")
    assert said.code == 2
    assert "was created without a contract" in said.sentence
