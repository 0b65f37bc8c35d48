"""Keyset pagination, newest rows first. Each page continues after the last row of the previous page.

Rows inserted in the meantime come before the first page, so no row is repeated or skipped. Every page takes the same
time. Not here: the tables (lifecycle/history.py), the text of a cursor (pmmds_console/api/cursors.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

Row = dict[str, Any]
Keys = tuple[Any, ...]


@dataclass(frozen=True)
class Slice:
    """A page of rows. `after` holds the keys of the last row if more rows follow, and is None otherwise."""

    rows: list[Row]
    after: Keys | None


def newest_first(
    query: sa.Select[Any], keys: Sequence[sa.Column[Any]], after: Keys | None, limit: int
) -> sa.Select[Any]:
    """Sort `query` by `keys` in descending order, starting after the row `after`, and limit it to `limit` + 1 rows.

    Args:
        query: the query that selects the rows.
        keys: the sort columns, which must be unique in combination.
        after: the values of `keys` in the preceding row, or None to start with the newest row.
        limit: the number of rows per page. The additional row shows whether more rows follow.
    """
    ordered = query.order_by(*(key.desc() for key in keys)).limit(limit + 1)
    if after is None:
        return ordered
    given = (sa.literal(value, key.type) for key, value in zip(keys, after, strict=True))
    return ordered.where(sa.tuple_(*keys) < sa.tuple_(*given))


def slice_of(rows: Sequence[sa.RowMapping], keys: Sequence[sa.Column[Any]], limit: int) -> Slice:
    """Build a page from the rows of a `newest_first` query, which must include the key columns."""
    kept = [plain(row) for row in rows[:limit]]
    has_more = len(rows) > limit
    return Slice(kept, tuple(kept[-1][key.name] for key in keys) if has_more else None)


def plain(row: sa.RowMapping) -> Row:
    """Convert a row to a dict with plain `str` keys, because SQLAlchemy's keys are instances of a subclass."""
    return {str(name): value for name, value in row.items()}
