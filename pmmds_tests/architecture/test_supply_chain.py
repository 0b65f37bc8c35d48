"""Every pinned dependency has hashes and is listed in the bill of materials."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)


def pinned(text: str) -> set[tuple[str, str]]:
    """Return (normalized name, version) for each pinned package."""
    return {(re.sub(r"[-_.]+", "-", name).lower(), version) for name, version in _PINNED.findall(text)}


@pytest.fixture(scope="module")
def requirements() -> str:
    return (ROOT / "requirements.txt").read_text(encoding="utf-8")


def test_every_pinned_package_is_in_the_bill_of_materials(requirements: str, tmp_path: Path) -> None:
    bill = tmp_path / "sbom.json"
    program = Path(sys.executable).with_name("cyclonedx-py")
    # `make sbom` also validates the document against CycloneDX's schema, which takes ten times as long.
    output = ["--of", "JSON", "--no-validate", "-o", str(bill)]
    arguments = ["requirements", "requirements.txt", "--pyproject", "pyproject.toml", *output]
    done = subprocess.run([str(program), *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    document = json.loads(bill.read_text(encoding="utf-8"))
    assert document["bomFormat"] == "CycloneDX"
    assert document["metadata"]["component"]["name"] == "pmmds"
    found = {(re.sub(r"[-_.]+", "-", c["name"]).lower(), c["version"]) for c in document["components"]}
    assert len(pinned(requirements)) > 200
    assert found == pinned(requirements)


@pytest.mark.parametrize("name", sorted(path.name for path in ROOT.glob("requirements*.txt")))
def test_every_pinned_package_has_hashes_and_no_index_url(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    blocks = re.split(r"\n(?=[A-Za-z0-9])", text)
    pins = [block for block in blocks if _PINNED.match(block)]
    assert pins
    assert [block.partition(" ")[0] for block in pins if "--hash=sha256:" not in block] == []
    assert not re.search(r"--(extra-)?index-url|https?://\S+/simple", text)


def test_every_test_file_in_the_threat_model_exists() -> None:
    named = set(re.findall(r"\btest_\w+\.py", (ROOT / "docs" / "security.md").read_text(encoding="utf-8")))
    there = {path.name for path in (ROOT / "pmmds_tests").rglob("test_*.py")}
    assert named
    assert named - there == set()
