"""`pmmds init` and `pmmds contract` write the right files, exit codes and messages as processes."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pmmds_core.contracts.contract import load_contract
from pmmds_tests.harness.command_line import Said, pmmds
from pmmds_tests.harness.own_data_sets import LABEL, with_dates, with_ids, with_missing_values


def run(folder: Path, *arguments: str) -> Said:
    return pmmds(folder / "home", *arguments, cwd=folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with_missing_values().to_csv(tmp_path / "customers.csv", index=False)
    return tmp_path


def files(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def test_init_writes_a_project_without_asking(folder: Path) -> None:
    said = run(folder, "init", "--from", "customers.csv", "--label", LABEL)
    assert said.code == 0, said.err
    assert files(folder / "customers") == {"contract.yaml", "pmmds.toml", "README.md", "example-request.json"}
    settings = tomllib.loads((folder / "customers" / "pmmds.toml").read_text(encoding="utf-8"))
    assert settings == {"contract": "contract.yaml", "data_path": str(folder / "customers.csv"), "home": ".pmmds"}
    assert load_contract(folder / "customers" / "contract.yaml").feature_names == ("age", "plan", "amount")
    checked = run(folder, "contract", "check", "customers/contract.yaml", "--data", "customers.csv", "--json")
    assert checked.document["n_rows"] == 2000
    assert checked.document["ignored_columns"] == ["Fax"]


def test_example_request_is_a_row_of_the_file(folder: Path) -> None:
    assert run(folder, "init", "--from", "customers.csv", "--label", LABEL).code == 0
    text = (folder / "customers" / "example-request.json").read_text(encoding="utf-8")
    features = json.loads(text)["features"]
    rows = pd.read_csv(folder / "customers.csv", keep_default_na=False)
    same = rows[(rows["Age"] == str(features["age"])) & (rows["Amount"] == features["amount"])]
    assert features["plan"] in set(same["Plan"])
    assert None not in features.values()


def test_init_leaves_out_a_column_with_dates_in_three_formats(tmp_path: Path) -> None:
    with_dates().to_csv(tmp_path / "orders.csv", index=False)
    said = run(tmp_path, "init", "--from", "orders.csv", "--label", LABEL, "--json")
    kinds = {c["column"]: (c["kind"], c["evidence"]) for c in said.document["columns"]}
    assert {kinds[name][0] for name in ("created", "paid on", "shipped")} == {"left out"}
    assert "dates" in kinds["created"][1]


def test_init_replaces_files_only_with_force(folder: Path) -> None:
    command = ("init", "--from", "customers.csv", "--label", LABEL, "--into", "project")
    assert run(folder, *command).code == 0
    (folder / "project" / "contract.yaml").write_text("mine", encoding="utf-8")
    again = run(folder, *command)
    assert (again.code, "--force" in again.sentence) == (2, True)
    assert (folder / "project" / "contract.yaml").read_text(encoding="utf-8") == "mine"
    assert run(folder, *command, "--force").code == 0
    load_contract(folder / "project" / "contract.yaml")


def test_if_one_file_cannot_be_written_none_is(folder: Path) -> None:
    (folder / "project" / "README.md").mkdir(parents=True)
    said = run(folder, "init", "--from", "customers.csv", "--label", LABEL, "--into", "project", "--force")
    assert said.code == 2
    assert "Nothing was written" in said.sentence
    assert files(folder / "project") == set()


def wide() -> pd.DataFrame:
    return pd.DataFrame({f"x{i}": np.arange(60) % 7 for i in range(10_000)}).assign(churned=np.arange(60) % 2)


BAD: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "no_label": (lambda f: f.rename(columns={LABEL: "churn"}), "Did you mean 'churn'?"),
    "one_value": (lambda f: f.assign(churned="yes"), "'yes' in every row"),
    "three_values": (lambda f: f.assign(churned=np.arange(len(f)) % 3), "has 3 values"),
    "missing": (lambda f: f.assign(churned=f[LABEL].where(np.arange(len(f)) % 5 > 1)), "(40%) have no label"),
    "id_only": (lambda _: with_ids()[["customerID", LABEL]], "like an identifier"),
    "duplicate": (lambda f: f.rename(columns={"Plan": "Age"}), "duplicate column names: 'Age'"),
    "wide": (lambda _: wide(), "10,000 columns besides the label"),
    "few_rows": (lambda f: f.head(10), "at least 50"),
}


@pytest.mark.parametrize("name", BAD)
def test_invalid_files_print_one_sentence_and_write_nothing(name: str, tmp_path: Path) -> None:
    make, expected = BAD[name]
    make(with_missing_values()).to_csv(tmp_path / "bad.csv", index=False)
    said = run(tmp_path, "init", "--from", "bad.csv", "--label", LABEL)
    assert said.code == 2
    assert expected in said.sentence
    assert files(tmp_path) == {"bad.csv"}


def test_another_encoding_is_reported_with_the_command_to_convert_it(tmp_path: Path) -> None:
    with_missing_values().assign(Plan="größer").to_csv(tmp_path / "bad.csv", index=False, encoding="latin-1")
    said = run(tmp_path, "init", "--from", "bad.csv", "--label", LABEL)
    assert said.code == 2
    assert "iconv -f WINDOWS-1252 -t UTF-8 bad.csv > bad-utf8.csv" in said.sentence
    assert files(tmp_path) == {"bad.csv"}


def test_contract_check_lists_values_that_would_be_rejected(folder: Path) -> None:
    assert run(folder, "init", "--from", "customers.csv", "--label", LABEL).code == 0
    frame = with_missing_values()
    frame.loc[[4, 9], "Amount"] = -1
    frame.to_csv(folder / "later.csv", index=False)
    said = run(folder, "contract", "check", "customers/contract.yaml", "--data", "later.csv")
    assert said.code == 1
    assert "Amount: 2 values are outside 0" in said.err
    assert "(line 6: '-1.0', line 11: '-1.0')" in said.err


def test_a_pipe_is_not_read_as_an_empty_file(folder: Path) -> None:
    assert run(folder, "init", "--from", "customers.csv", "--label", LABEL, "--into", ".").code == 0
    os.mkfifo(folder / "pipe")
    for command in (
        ("contract", "check", "contract.yaml", "--data"),
        ("init", "--label", LABEL, "--into", "a", "--from"),
    ):
        said = run(folder, *command, "pipe")
        assert said.code != 0
        assert "pipe is not a regular file. Save its content to a regular file first." in said.sentence


def test_the_advice_about_an_unreadable_file_names_no_other_setting(folder: Path) -> None:
    assert run(folder, "init", "--from", "customers.csv", "--label", LABEL, "--into", ".").code == 0
    said = run(folder, "contract", "check", "contract.yaml", "--data", "missing.csv")
    assert "missing.csv cannot be read: No such file or directory. Specify a readable CSV or Parquet" in said.sentence
    said = run(folder, "contract", "check", "missing.yaml")
    assert "missing.yaml cannot be read: No such file or directory. Specify a readable YAML file." in said.sentence


def test_a_folder_whose_name_is_too_long_is_rejected(folder: Path) -> None:
    said = run(folder, "init", "--from", "customers.csv", "--label", LABEL, "--into", "p" * 300)
    assert said.code == 2
    assert "cannot be used: File name too long. Choose another folder with --into." in said.sentence


def test_contract_diff_shows_what_the_migration_refuses(folder: Path) -> None:
    assert run(folder, "init", "--from", "customers.csv", "--label", LABEL).code == 0
    arguments = ("--from", "customers.csv", "--label", LABEL, "--into", "new", "--ignore", "Plan")
    assert run(folder, "init", *arguments).code == 0
    command = ("contract", "diff", "customers/contract.yaml", "new/contract.yaml")
    said = run(folder, *command, "--json")
    assert [(c["subject"], c["effect"]) for c in said.document] == [("plan", "refused")]
    assert run(folder, *command, "--fail-on-refused").code == 3


def test_the_demo_needs_data_and_label_together(folder: Path) -> None:
    said = run(folder, "demo", "--data", "customers.csv")
    assert (said.code, "--data and --label" in said.sentence) == (2, True)
