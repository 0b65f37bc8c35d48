"""Finds the links that a browser would follow and the files that it would load from a page.

Not here: a browser (browser.py), assertions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class Html:
    """The links of `a` elements, the addresses that the browser loads automatically, and the ids of all elements."""

    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    inline_styles: list[str] = field(default_factory=list)


def parse_html(text: str) -> Html:
    """Return the links, loaded addresses, ids and inline styles of a page."""
    parser = _Parser()
    parser.feed(text)
    return parser.found


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found = Html()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if "id" in given:
            self.found.ids.append(given["id"])
        if "style" in given or tag in ("style", "script"):
            self.found.inline_styles.append(tag)
        if tag == "a" and "href" in given:
            self.found.links.append(given["href"])
        if tag in ("link", "img", "script", "iframe"):
            self.found.loaded.append(given.get("href", given.get("src", "")))
