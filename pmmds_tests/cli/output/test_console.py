"""Tables: their width follows the terminal, and long texts go below their rows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pmmds_cli.output.console import print_json, print_table, print_text, say

REASON = "Challenger v3 outperforms champion v2. [roc_auc] :+1: 0.8456 vs 0.8414. " * 3
ROWS: list[dict[str, Any]] = [
    {"decision": "1f0c33a8d2be", "promoted": True, "reason": REASON},
    {"decision": "2a0c33a8d2be", "promoted": False, "reason": "short"},
]


def printed(capsys: pytest.CaptureFixture[str], rows: list[dict[str, Any]] = ROWS) -> list[str]:
    print_table(rows, empty="none", detail="reason")
    return capsys.readouterr().out.splitlines()


def test_long_texts_are_below_their_rows_in_a_narrow_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = printed(capsys)
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["decision", "promoted"]
    assert lines[1].split() == ["1f0c33a8d2be", "yes"]
    assert " ".join(line.strip() for line in lines[2:-2]) == " ".join(REASON.split())
    assert [line.split() for line in lines[-2:]] == [["2a0c33a8d2be", "no"], ["short"]]


def test_a_wide_terminal_has_one_line_for_each_row(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    lines = printed(capsys)
    assert len(lines) == 3
    assert lines[1].split(maxsplit=2)[2] == REASON.strip()


def test_rows_wider_than_the_terminal_are_folded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    lines = printed(capsys, [{"decision": "x" * 60, "by": "Y" * 30, "reason": REASON}])
    assert max(map(len, lines)) <= 40
    text = "".join(lines)
    assert (text.count("x"), text.count("Y")) == (60 + REASON.count("x"), 30)


ESCAPES = "\x1b]0;owned\x07 \x9b2J\r\x7f"
ESCAPED = r"\x1b]0;owned\x07 \x9b2J\x0d\x7f"


@pytest.mark.parametrize("columns", ["300", "60"])
def test_tables_print_control_characters_as_escapes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    printed_lines = printed(capsys, [{"decision": ESCAPES, "by": "ada", "reason": f"{ESCAPES} {'x' * 40}"}])
    text = "\n".join(printed_lines)
    assert text.count(ESCAPED) == 2
    assert all(character.isprintable() or character == "\n" for character in text)


def test_text_and_json_print_control_characters_as_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    print_text(f"{ESCAPES}\nend")
    say(ESCAPES)
    said = capsys.readouterr()
    assert (said.out, said.err) == (f"{ESCAPED}\nend\n", f"{ESCAPED}\n")
    print_json({"note": ESCAPES})
    shown = capsys.readouterr().out
    assert json.loads(shown) == {"note": ESCAPES}
    assert all(character.isprintable() or character == "\n" for character in shown)
