"""The script and commands of docs/tutorials/from-a-csv.md run and print the table in the tutorial."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

from pmmds_tests.harness.command_line import pmmds

TUTORIAL = Path(__file__).parents[3] / "docs" / "tutorials" / "from-a-csv.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TUTORIAL.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_the_script_and_the_commands_of_the_tutorial_run(tmp_path: Path) -> None:
    (script,) = blocks("python")
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    printed = ""
    for line in "".join(blocks("sh")).splitlines():
        program, *arguments = shlex.split(line)
        assert program == "pmmds"
        said = pmmds(tmp_path / "home", *arguments, cwd=tmp_path)
        assert said.code == 0, said.err
        printed += said.out
    (table,) = blocks("text")
    rows = {line.rstrip() for line in printed.splitlines()}
    assert [line for line in table.splitlines() if line not in rows] == []
    assert re.search(r"newsletter +removed; its logged values would be lost +refused", printed)
