"""Documentation that cannot rot: every setting, command, asset and decision stands in the docs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from pmmds_cli.main import app
from pmmds_core.config.listing import describe
from pmmds_core.config.settings import load_settings

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"


def commands() -> list[str]:
    """Every command's full name, as typed."""
    found = []
    for name, command in typer.main.get_group(app).commands.items():
        if isinstance(command, TyperGroup):
            found += [f"pmmds {name} {sub}" for sub in command.commands]
        else:
            found.append(f"pmmds {name}")
    return found


def test_every_setting_is_documented_with_its_default_and_meaning() -> None:
    text = (DOCS / "settings.md").read_text(encoding="utf-8")
    for row in describe({}):
        expected = f"| `{row.variable}` | {f'`{row.default}`' if row.default else 'none'} | {row.description} |"
        assert expected in text, f"docs/settings.md lacks the line\n{expected}"


def test_no_setting_is_documented_that_is_not_there() -> None:
    known = {row.variable for row in describe({})}
    text = (DOCS / "settings.md").read_text(encoding="utf-8")
    rows = {line.split("`")[1] for line in text.splitlines() if line.startswith("| `PMMDS_")}
    assert rows == known


def test_the_defaults_are_what_an_empty_environment_gives() -> None:
    settings = load_settings({})
    assert (settings.http_port, settings.drift_psi_threshold, settings.home) == (8000, 0.2, ".pmmds")


@pytest.mark.parametrize("command", commands())
def test_every_command_is_documented(command: str) -> None:
    assert f"`{command}" in (DOCS / "commands.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda p: p.name)
def test_every_page_is_reached_from_the_readme(page: Path) -> None:
    assert f"docs/{page.name}" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))], ids=lambda p: p.name)
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), target
        if anchor:
            assert anchor in headings(file), target


def headings(page: Path) -> set[str]:
    """The anchors that a page's headings have where Markdown is shown."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_no_two_decisions_have_the_same_number() -> None:
    numbers = [int(p.name[:4]) for p in (DOCS / "decisions").glob("[0-9]*.md")]
    assert sorted(set(numbers)) == sorted(numbers)
