"""Jinja filters of the pages, besides those of the reports (pmmds_core/reports/drift_page.py)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from markupsafe import Markup

# The end of a sentence: a period, then a space and a new sentence; not the point of a number.
_SENTENCE_END = re.compile(r"(?<=[.!?]) (?=[^\W\d_])")


def when(at: datetime | None) -> Markup:
    """A UTC time as an HTML `time` element; a dash for None."""
    if at is None:
        return Markup("–")
    return Markup('<time datetime="{}">{}</time>').format(f"{at:%Y-%m-%dT%H:%M:%SZ}", f"{at:%Y-%m-%d %H:%M}")


def figure(value: object) -> str:
    """A number with up to four significant digits; any other value as its text; a dash for None."""
    if value is None:
        return "–"
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value:.4g}" if is_number else str(value)


def first_sentence(text: str) -> str:
    """The first sentence of a text."""
    return _SENTENCE_END.split(text, maxsplit=1)[0]


FILTERS: Mapping[str, Callable[..., Any]] = {"when": when, "figure": figure, "first_sentence": first_sentence}
