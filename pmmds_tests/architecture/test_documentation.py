"""The documentation's settings, commands, pages and links match the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from pmmds_cli.application import app
from pmmds_core.config.listing import describe
from pmmds_core.config.settings import load_settings

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"


def commands() -> list[str]:
    """Return the full names of all commands, as a user types them."""
    found = []
    for name, command in typer.main.get_group(app).commands.items():
        if isinstance(command, TyperGroup):
            found += [f"pmmds {name} {sub}" for sub in command.commands]
        else:
            found.append(f"pmmds {name}")
    return found


def test_every_setting_is_documented_with_its_place_default_and_meaning() -> None:
    text = (DOCS / "settings.md").read_text(encoding="utf-8")
    for row in describe({}):
        default = f"`{row.default}`" if row.default else "none"
        expected = f"| `{row.variable}` | `{row.path}` | {default} | {row.description} |"
        assert expected in text, f"docs/settings.md lacks the line\n{expected}"


def test_every_documented_setting_exists() -> None:
    known = {row.variable for row in describe({})}
    text = (DOCS / "settings.md").read_text(encoding="utf-8")
    rows = {line.split("`")[1] for line in text.splitlines() if line.startswith("| `PMMDS_")}
    assert rows == known


def test_empty_environment_gives_the_defaults() -> None:
    settings = load_settings({})
    assert (settings.http_port, settings.drift_psi_threshold, settings.home) == (8000, 0.2, ".pmmds")


@pytest.mark.parametrize("command", commands())
def test_every_command_is_documented(command: str) -> None:
    assert f"`{command}" in (DOCS / "commands.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda p: p.name)
def test_every_page_is_linked_from_the_readme(page: Path) -> None:
    assert f"docs/{page.name}" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))], ids=lambda p: p.name)
def test_every_link_points_to_an_existing_file_and_heading(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), target
        if anchor:
            assert anchor in headings(file), target


def headings(page: Path) -> set[str]:
    """Return the anchors that GitHub generates for a page's headings."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_decision_numbers_are_unique() -> None:
    numbers = [int(p.name[:4]) for p in (DOCS / "decisions").glob("[0-9]*.md")]
    assert sorted(set(numbers)) == sorted(numbers)
