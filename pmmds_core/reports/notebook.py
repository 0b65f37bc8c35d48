"""Small HTML tables for notebooks, used by `_repr_html_` of comparisons and of the client's rows.

All values are escaped.

Not here: full pages (drift_page.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pmmds_core.runtime.html_templates import html_environment


def html_table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], notes: Sequence[str] = ()) -> str:
    """Return a table with a caption above it and notes below it.

    Numbers are rounded to four significant digits.
    """
    cells = [[(_text(value), isinstance(value, int | float)) for value in row] for row in rows]
    template = html_environment("pmmds_core.reports").get_template("notebook_table.html")
    return template.render(caption=caption, columns=columns, rows=cells, notes=notes)


def _text(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M} UTC"
    return str(value)
