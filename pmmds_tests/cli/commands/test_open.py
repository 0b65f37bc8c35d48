"""pmmds open: the address of a page is printed and opened in a browser."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from pmmds_tests.harness.command_line import Said, pmmds
from pmmds_tests.harness.long_texts import ALERT_ID, DECISION_ID, REPORT_ID, VERSION, long_text_deployment

BASE = "http://127.0.0.1:8123"
BROWSER = '#!/bin/sh\necho "$1" > "$OPENED"\n'


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("open") / "home"
    database = long_text_deployment(home).database
    yield home
    database.close()


def opened(home: Path, *arguments: str, variables: Mapping[str, str] | None = None) -> Said:
    return pmmds(home, "open", *arguments, given={"PMMDS_CONSOLE_PORT": "8123", **(variables or {})})


@pytest.mark.parametrize(
    ("arguments", "address"),
    [
        (("alert", str(ALERT_ID)), f"{BASE}/alerts/{ALERT_ID}"),
        (("decision", DECISION_ID), f"{BASE}/decisions/{DECISION_ID}"),
        (("version", f"v{VERSION}"), f"{BASE}/versions/{VERSION}"),
        (("report", str(REPORT_ID)), f"{BASE}/reports/{REPORT_ID}"),
        (("console",), f"{BASE}/"),
        (("dagster",), "http://127.0.0.1:3000/"),
        (("mlflow",), "http://127.0.0.1:5000/"),
        (("service",), "http://127.0.0.1:8000/"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_address_of_each_page(home: Path, arguments: tuple[str, ...], address: str) -> None:
    said = opened(home, *arguments, "--print")
    assert (said.code, said.out, said.err) == (0, f"{address}\n", "")


def test_public_address_of_the_console_is_used(home: Path) -> None:
    said = opened(home, "alert", str(ALERT_ID), "--print", variables={"PMMDS_CONSOLE_URL": "https://pmmds.example/c/"})
    assert said.out == f"https://pmmds.example/c/alerts/{ALERT_ID}\n"


def test_browser_opens_the_address(home: Path, tmp_path: Path) -> None:
    browser, note = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(BROWSER, encoding="utf-8")
    browser.chmod(0o700)
    said = opened(home, "alert", str(ALERT_ID), variables={"BROWSER": str(browser), "OPENED": str(note)})
    assert said.code == 0, said.err
    assert note.read_text(encoding="utf-8") == said.out == f"{BASE}/alerts/{ALERT_ID}\n"


def test_machine_without_a_browser_prints_the_address(home: Path, tmp_path: Path) -> None:
    said = opened(home, "console", variables={"PATH": str(tmp_path)})
    assert (said.code, said.out) == (0, f"{BASE}/\n")
    assert said.err == "No browser could be started; open the address yourself.\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("alert", "99"), "There is no alert 99."),
        (("alert", "x"), "'x' is not the number of an alert."),
        (("decision", "nothing"), "There is no decision 'nothing'."),
        (("version", "99"), "PMMDS registered no version 99."),
        (("report", "99"), "There is no drift report 99."),
        (("alert",), "alert needs an ID."),
        (("mlflow", "3"), "mlflow takes no ID."),
        (("everything",), "There is no page 'everything'."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_unknown_pages_are_wrong_usage(home: Path, arguments: tuple[str, ...], sentence: str) -> None:
    said = opened(home, *arguments, "--print")
    assert (said.code, said.out) == (2, "")
    assert said.sentence.startswith(sentence)
