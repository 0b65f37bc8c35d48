"""Copies docs/ and every repository file that a page links to into one folder, with working links.

A link from docs/ to a Markdown page of the repository, such as ../SECURITY.md, becomes a link to a page of the site. A
link to any other file becomes a link to a copy of that file under files/.

Not here: generated pages (reference/).
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
# Pages outside docs/ that belong to the site.
ROOT_PAGES = ("CHANGELOG.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "README.md", "SECURITY.md")
_LINK = re.compile(r"\]\(([^)\s#]+)(#[^)\s]*)?\)")


def stage(target: Path) -> None:
    """Replace the folder `target` by the pages of docs/, the pages of the repository and their linked files."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(DOCS, target)
    for page in sorted(DOCS.rglob("*.md")):
        stage_page(page, target / page.relative_to(DOCS), target)
    for name in ROOT_PAGES:
        stage_page(ROOT / name, staged_path(ROOT / name, target), target)
    colors = (ROOT / "pmmds_core" / "reports" / "templates" / "colors.css").read_text(encoding="utf-8")
    (target / "assets" / "colors.css").write_text(colors, encoding="utf-8")


def stage_page(page: Path, copy: Path, target: Path) -> None:
    """Write `page` to `copy` with its links rewritten, and copy the files that it links to."""

    def rewritten(link: re.Match[str]) -> str:
        name, anchor = link.group(1), link.group(2) or ""
        if "://" in name or name.startswith(("mailto:", "/")):
            return link.group(0)
        return f"]({staged_link((page.parent / name).resolve(), copy, target)}{anchor})"

    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_text(_LINK.sub(rewritten, page.read_text(encoding="utf-8")), encoding="utf-8")


def staged_link(linked: Path, copy: Path, target: Path) -> str:
    """The relative address of the copy of `linked`, seen from the page `copy`. Copies the file if it is not a page."""
    place = staged_path(linked, target)
    if linked.is_file() and not place.exists() and linked.suffix != ".md":
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(linked, place)
    return os.path.relpath(place, copy.parent)


def staged_path(file: Path, target: Path) -> Path:
    """Where the copy of a file or folder of the repository is stored."""
    if file == DOCS or DOCS in file.parents:
        return target / file.relative_to(DOCS)
    if file.parent == ROOT and file.suffix == ".md":
        return target / "project" / f"{file.stem.lower()}.md"
    return target / "files" / file.relative_to(ROOT)
