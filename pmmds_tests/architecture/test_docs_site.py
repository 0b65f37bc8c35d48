"""The documentation site: the generated reference has every name of the code, and the navigation has every page.

`make docs` builds the site and checks its links. Not here: the content of the hand-written pages
(test_documentation.py) and their code blocks (test_code_blocks.py).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pmmds_assets.definitions import defs
from pmmds_console.api.routes import BASE, ROUTES
from pmmds_core.config.listing import describe
from pmmds_core.stores.database.tables import fixed
from pmmds_serving.generated.pmmds.v1 import prediction_pb2
from pmmds_tests.harness.docs_site.reference.commands import command_tree
from pmmds_tests.harness.docs_site.reference.markdown import docstring, table
from pmmds_tests.harness.docs_site.reference.metrics import metric_families, metric_name
from pmmds_tests.harness.docs_site.reference.pages import PAGES, write_reference
from pmmds_tests.harness.docs_site.site_check import site_problems
from pmmds_tests.harness.docs_site.staging import ROOT, stage

DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The text of every generated page, by file name."""
    folder = tmp_path_factory.mktemp("reference")
    write_reference(folder)
    return {name: (folder / name).read_text(encoding="utf-8") for name in PAGES}


def missing(names: list[str], text: str) -> list[str]:
    return [name for name in names if f"`{name}`" not in text and f"# {name}\n" not in text]


def test_every_setting_is_in_the_reference(reference: dict[str, str]) -> None:
    assert missing([row.variable for row in describe({})], reference["settings.md"]) == []


def test_every_command_and_option_is_in_the_reference(reference: dict[str, str]) -> None:
    sections = {s.partition("\n")[0]: s for s in reference["commands.md"].split("\n## ")[1:]}
    assert len(sections) > 30
    for name, command in command_tree():
        absent = [o for p in command.params for o in p.opts if o.startswith("--") and o not in sections[name]]
        assert absent == [], name


def test_every_asset_job_sensor_and_schedule_is_in_the_reference(reference: dict[str, str]) -> None:
    repository = defs.get_repository_def()
    names = [key.to_user_string() for key in repository.asset_graph.get_all_asset_keys()]
    names += [key.name for key in repository.asset_graph.asset_check_keys]
    names += [job.name for job in repository.get_all_jobs() if not job.name.startswith("__")]
    names += [sensor.name for sensor in repository.sensor_defs]
    names += [schedule.name for schedule in repository.schedule_defs]
    assert missing(names, reference["assets.md"]) == []


def test_every_metric_is_in_the_reference(reference: dict[str, str]) -> None:
    assert missing([metric_name(family) for family in metric_families()], reference["metrics.md"]) == []


def test_every_table_and_column_is_in_the_reference(reference: dict[str, str]) -> None:
    names = ["prediction_logs", *fixed.tables]
    columns = [column.name for table in fixed.tables.values() for column in table.columns]
    assert missing([*names, *columns], reference["tables.md"]) == []


def test_every_route_is_in_the_reference(reference: dict[str, str]) -> None:
    assert missing([f"GET {BASE}{route.path}" for route in ROUTES], reference["monitoring-api.md"]) == []
    endpoints = [
        "POST /api/v1/predict",
        "POST /api/v1/predict/batch",
        "POST /api/v1/feedback",
        "GET /ready",
        "GET /model",
    ]
    assert missing(endpoints, reference["prediction-api.md"]) == []


def test_every_grpc_message_and_field_is_in_the_reference(reference: dict[str, str]) -> None:
    messages = prediction_pb2.DESCRIPTOR.message_types_by_name
    methods = [m.name for s in prediction_pb2.DESCRIPTOR.services_by_name.values() for m in s.methods]
    fields = [field.name for message in messages.values() for field in message.fields]
    assert missing([*messages, *methods, *fields], reference["grpc.md"]) == []


def test_grpc_comments_are_in_the_reference(reference: dict[str, str]) -> None:
    assert "Probability of label 1." in reference["grpc.md"]


@pytest.mark.parametrize(
    "name", ["pmmds.connect", "pmmds.compare", "pmmds.verify_webhook", "Monitoring", "FileComparison", "series"]
)
def test_every_public_python_name_is_in_the_reference(name: str, reference: dict[str, str]) -> None:
    assert f"# {name}\n" in reference["python.md"]


def test_docstrings_become_paragraphs_and_lists() -> None:
    def documented() -> None:
        """Return a <name> of `a|b`.

        Args:
            first: the first line
                and the second.
            other: 2 * 3.
        """

    expected = (
        "Return a &lt;name> of `a\\|b`.\n\n**Args**\n\n- first: the first line and the second.\n- other: 2 \\* 3."
    )
    assert docstring(documented) == expected.replace("\\|", "|")


def test_table_cells_are_escaped() -> None:
    assert table(("a",), [("x | <y>\nz",)]) == "| a |\n| --- |\n| x \\| &lt;y> z |"


def navigation() -> set[str]:
    """Pages in the navigation of the site."""
    document = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))
    return set(pages_in(document["project"]["nav"]))


def pages_in(entries: Any) -> Iterator[str]:
    if isinstance(entries, str):
        yield entries
    for entry in entries.values() if isinstance(entries, dict) else entries if isinstance(entries, list) else []:
        yield from pages_in(entry)


def test_the_navigation_has_every_page_except_single_decisions() -> None:
    pages = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md") if page.parent.name != "decisions"}
    expected = pages | {f"reference/{name}" for name in PAGES} | {"decisions/README.md"}
    assert {page for page in navigation() if not page.startswith("project/")} == expected


def test_links_out_of_docs_lead_to_staged_copies(tmp_path: Path) -> None:
    stage(tmp_path / "site")
    security = (tmp_path / "site" / "security.md").read_text(encoding="utf-8")
    assert "](project/security.md)" in security
    grpc = (tmp_path / "site" / "grpc.md").read_text(encoding="utf-8")
    assert "](files/pmmds_serving/protos/pmmds/v1/prediction.proto)" in grpc
    assert (tmp_path / "site" / "files/pmmds_serving/protos/pmmds/v1/prediction.proto").is_file()
    changelog = (tmp_path / "site" / "project" / "changelog.md").read_text(encoding="utf-8")
    assert "](../monitoring-api.md)" in changelog


def test_the_check_finds_broken_links_and_foreign_hosts(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text('<h1 id="top">A</h1><a href="b.html#end">b</a>', encoding="utf-8")
    (tmp_path / "b.html").write_text('<h1 id="end">B</h1><a href="a.html#top">a</a>', encoding="utf-8")
    assert site_problems(tmp_path) == []
    (tmp_path / "b.html").write_text(
        '<script src="https://example.org/x.js"></script><a href="c.html">c</a>', encoding="utf-8"
    )
    (tmp_path / "style.css").write_text("@import 'https://example.org/font.css';", encoding="utf-8")
    assert site_problems(tmp_path) == [
        "a.html: the link b.html#end has no target.",
        "b.html: loads https://example.org/x.js from another host.",
        "b.html: the link c.html has no target.",
        "style.css: loads https://example.org/font.css from another host.",
    ]


def test_an_empty_site_is_a_problem(tmp_path: Path) -> None:
    assert len(site_problems(tmp_path)) == 1


def test_the_style_of_the_site_has_the_colors_of_the_reports() -> None:
    colors = (ROOT / "pmmds_core" / "reports" / "templates" / "colors.css").read_text(encoding="utf-8")
    light, dark = colors.split("@media", 1)
    schemes = (DOCS / "assets" / "site.css").read_text(encoding="utf-8").split("[data-md-color-scheme]")[0]
    of_light, of_dark = schemes.split('[data-md-color-scheme="slate"]')
    for name in ("page", "raised", "ink", "quiet", "line", "link"):
        assert value_of(name, of_light) == value_of(name, light)
        assert value_of(name, of_dark) == value_of(name, dark)


def value_of(name: str, style: str) -> str:
    """The value of a variable in a style sheet."""
    return style.split(f"--{name}: ", 1)[1].split(";", 1)[0]


def comparison_rows() -> list[list[str]]:
    """The cells of the README's comparison, without the header."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").split("## Comparison", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]


def test_every_cell_of_the_comparison_links_to_its_source() -> None:
    rows = comparison_rows()
    assert len(rows) == 11
    assert [row for row in rows if len(row) != 7] == []
    assert [cell for row in rows for cell in row[1:] if not (cell.startswith("[") and "](" in cell)] == []


def test_the_comparison_is_dated() -> None:
    assert "This comparison is of November 28, 2026." in (ROOT / "README.md").read_text(encoding="utf-8")
