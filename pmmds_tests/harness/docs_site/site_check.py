"""Problems of the built site: links to files or anchors that do not exist, and files loaded from other hosts.

Zensical checks the links in the Markdown sources; this module checks the pages that a browser gets, including the
navigation and the theme.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pmmds_tests.harness.html_links import Html, parse_html

_CSS_ADDRESS = re.compile(r"url\(\s*[\"']?((?:https?:)?//[^)\"']+)|@import\s+[\"'](https?://[^\"']+)")


def site_problems(site: Path) -> list[str]:
    """One sentence per problem; empty if the site is complete."""
    pages = {page: parse_html(page.read_text(encoding="utf-8")) for page in sorted(site.rglob("*.html"))}
    if not pages:
        return [f"{site}: the site has no pages. Run make docs."]
    problems = [p for page, html in pages.items() for p in page_problems(site, page, html, pages)]
    return problems + [p for sheet in sorted(site.rglob("*.css")) for p in stylesheet_problems(sheet)]


def page_problems(site: Path, page: Path, html: Html, pages: dict[Path, Html]) -> list[str]:
    """Problems of one page. `pages`: all pages of the site, to look up anchors."""
    name = page.relative_to(site)
    loaded = [f"{name}: loads {a} from another host." for a in html.loaded if urlsplit(a).netloc and a]
    # The page 404.html is served for any address, so its links are absolute.
    links = [] if name == Path("404.html") else html.links
    return loaded + [f"{name}: the link {a} has no target." for a in links if not has_target(page, a, pages)]


def has_target(page: Path, address: str, pages: dict[Path, Html]) -> bool:
    """Whether the link leads to an existing file and anchor. Links to other hosts count as existing."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return True
    file = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    file = file / "index.html" if file.is_dir() else file
    if not parts.fragment or file not in pages:
        return file.exists()
    return unquote(parts.fragment) in pages[file].ids


def stylesheet_problems(sheet: Path) -> list[str]:
    found = _CSS_ADDRESS.findall(sheet.read_text(encoding="utf-8"))
    return [f"{sheet.name}: loads {a or b} from another host." for a, b in found]


if __name__ == "__main__":
    found = site_problems(Path(sys.argv[1]))
    sys.exit("\n".join(found) if found else 0)
