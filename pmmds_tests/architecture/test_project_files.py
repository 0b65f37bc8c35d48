"""Workflows, hooks, templates, decision records and CONTRIBUTING match the repository.

Add a check if a file makes a statement about the repository that can become outdated. Not here: docs/
(test_documentation.py).
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DECISIONS = ROOT / "docs" / "decisions"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))
COMMUNITY = ["CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "CODE_OF_CONDUCT.md", "LICENSE"]
RECORDS = sorted(DECISIONS.glob("[0-9]*.md"))
HEADINGS = ["Status", "Date", "Context", "Decision", "Consequences"]
# The CI jobs that the specification requires, with their commands.
JOBS = {
    "lint": "make style",
    "types": "make types",
    "test": "make test-coverage",
    "smoke": "make smoke",
    "longer": "make ${{ matrix.target }}",
    "images": ".ci/compose",
}
_PATH = re.compile(r"`((?:[\w.-]+/)+[\w.-]+\.\w+)`")


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):(?!=)", text_of("Makefile"), re.MULTILINE))


def jobs() -> dict[str, dict[str, Any]]:
    document: dict[str, Any] = yaml.safe_load(text_of(".github/workflows/ci.yaml"))
    found: dict[str, dict[str, Any]] = document["jobs"]
    return found


def commands(job: dict[str, Any]) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def run_targets(job: dict[str, Any]) -> list[str]:
    """Return the make targets of a job, one per value of its matrix."""
    values = job.get("strategy", {}).get("matrix", {}).get("target", [])
    names = [command.removeprefix("make ") for command in commands(job) if command.startswith("make ")]
    return [t for name in names for t in (values if "matrix" in name else [name])]


@pytest.mark.parametrize("name", COMMUNITY)
def test_community_files_have_content(name: str) -> None:
    assert len(text_of(name).splitlines()) > 10


def test_ci_has_a_job_for_each_check() -> None:
    assert dict.fromkeys(JOBS, True) == {name: JOBS.get(name) in commands(job) for name, job in jobs().items()}
    assert all(len(job["name"]) > 10 and job["timeout-minutes"] for job in jobs().values())


def test_ci_runs_targets_and_scripts_that_exist() -> None:
    assert {target for job in jobs().values() for target in run_targets(job)} <= make_targets()
    for script in (c for job in jobs().values() for c in commands(job) if c.startswith(".ci/")):
        assert os.access(ROOT / script, os.X_OK), script


def test_ci_runs_every_python_version_in_the_package_metadata() -> None:
    claimed = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', text_of("pyproject.toml"))
    assert claimed == jobs()["test"]["strategy"]["matrix"]["python"]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda f: f.name)
def test_workflow_permissions_are_read_only(file: Path) -> None:
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert document["permissions"] == {"contents": "read"}
    assert all("permissions" not in job for job in document["jobs"].values())


def test_hooks_use_the_tools_of_make_setup() -> None:
    (repository,) = yaml.safe_load(text_of(".pre-commit-config.yaml"))["repos"]
    assert repository["repo"] == "local"
    programs = {hook["entry"].split()[0] for hook in repository["hooks"]}
    assert programs == {".venv/bin/ruff", ".venv/bin/mypy", ".venv/bin/lint-imports"}


def test_dependabot_watches_folders_that_exist() -> None:
    updates = yaml.safe_load(text_of(".github/dependabot.yml"))["updates"]
    assert {u["package-ecosystem"] for u in updates} == {"pip", "github-actions", "docker"}
    folders = [folder for u in updates for folder in u.get("directories", [u.get("directory")])]
    assert all((ROOT / folder.strip("/")).is_dir() for folder in folders)


def test_contributing_names_files_that_exist() -> None:
    named = set(_PATH.findall(text_of("CONTRIBUTING.md")))
    assert len(named) >= 10
    assert {path for path in named if not (ROOT / path).exists()} == set()


@pytest.mark.parametrize("record", RECORDS, ids=lambda p: p.name[:4])
def test_decision_record_has_all_headings_in_order(record: Path) -> None:
    text = record.read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE)[: len(HEADINGS)] == HEADINGS
    assert re.search(r"^## Status\n\n(Proposed|Accepted|Superseded by )", text, re.MULTILINE)
    assert re.search(r"^## Date\n\n20\d\d-\d\d-\d\d\n", text, re.MULTILINE)


def test_the_index_lists_each_decision_with_its_title() -> None:
    listed = dict(re.findall(r"\((\d{4}-[\w-]+\.md)\) \| ([^|]+) \|", (DECISIONS / "README.md").read_text("utf-8")))
    titles = {r.name: r.read_text("utf-8").splitlines()[0].partition(". ")[2] for r in RECORDS}
    assert {name: title.strip() for name, title in listed.items()} == titles
