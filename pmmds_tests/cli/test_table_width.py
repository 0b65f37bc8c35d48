"""Every listing fits a terminal of 80 columns, with long reasons, names, paths and columns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.cells import cell_len

from pmmds_tests.harness.command_line import pmmds
from pmmds_tests.harness.long_texts import ALERT_ID, DECISION_ID, long_text_deployment

LISTINGS = {
    "decisions": ("decisions",),
    "alerts": ("alerts", "list", "--all"),
    "alert history": ("alerts", "history", str(ALERT_ID)),
    "performance": ("performance",),
    "status": ("status",),
    "doctor": ("doctor",),
    "audit": ("audit",),
    "config": ("config",),
    "config with origin": ("config", "--show-origin"),
    "retention": ("retention", "--dry-run"),
    "shadow": ("shadow",),
    "contract diff": ("contract", "diff", "project/contract.yaml", "smaller/contract.yaml"),
    "drift compare": ("drift", "compare", "--reference", "long.csv", "--current", "long.csv"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("wide")
    database = long_text_deployment(folder / "home").database
    yield folder
    database.close()


@pytest.fixture(scope="module")
def long_csv(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    columns = {f"A column with a long name, number {i}": rng.normal(size=400) for i in range(3)}
    plan = rng.choice(["Bank transfer (automatic) at the end of every month", "Electronic check"], 400)
    columns |= {"Plan of payment": plan, "churned": rng.choice(["yes", "no"], 400)}
    pd.DataFrame(columns).to_csv(folder / "long.csv", index=False)
    return folder / "long.csv"


@pytest.fixture(scope="module")
def inferred(folder: Path, long_csv: Path) -> str:
    """What two calls of `pmmds init` print; the second one leaves a column out."""
    command = ("init", "--from", long_csv.name, "--label", "churned", "--into")
    first = pmmds(folder / "home", *command, "project", COLUMNS="80")
    second = pmmds(folder / "home", *command, "smaller", "--ignore", "Plan of payment", COLUMNS="80")
    assert (first.code, second.code) == (0, 0), first.err + second.err
    return first.out


def widest(text: str) -> str:
    return max(text.splitlines(), key=cell_len)


@pytest.mark.parametrize("name", LISTINGS)
def test_listing_fits_80_columns(folder: Path, inferred: str, name: str) -> None:
    assert inferred
    said = pmmds(folder / "home", *LISTINGS[name], COLUMNS="80")
    assert "Traceback" not in said.err
    assert said.out, said.err
    assert cell_len(widest(said.out)) <= 80, widest(said.out)


def test_inferred_columns_fit_80_columns(inferred: str) -> None:
    assert cell_len(widest(inferred)) <= 80, widest(inferred)


def test_wide_terminal_is_used(folder: Path) -> None:
    said = pmmds(folder / "home", "decisions", COLUMNS="700")
    assert said.out.splitlines()[0].split()[-1] == "reason"
    assert any(DECISION_ID in line and "[PSI 7.3]" in line for line in said.out.splitlines())
