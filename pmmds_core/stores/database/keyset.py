"""Keyset pagination: rows newest first, each page continuing after the last row of the previous one.

Rows inserted in the meantime come before the first page, so no row is repeated or skipped, and every page costs the
same. Not here: the tables (lifecycle/history.py), the text of a cursor (pmmds_console/api/cursors.py).
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
    """One page of rows. `after`: the keys of its last row if more rows follow, otherwise None."""

    rows: list[Row]
    after: Keys | None


def newest_first(
    query: sa.Select[Any], keys: Sequence[sa.Column[Any]], after: Keys | None, limit: int
) -> sa.Select[Any]:
    """Sort `query` by `keys` in descending order, start after the row `after`, and select one row more than `limit`.

    Args:
        query: selects the rows.
        keys: columns that are unique in combination.
        after: values of `keys`; None: from the newest row.
        limit: rows per page; the additional row shows whether there are more.
    """
    ordered = query.order_by(*(key.desc() for key in keys)).limit(limit + 1)
    if after is None:
        return ordered
    given = (sa.literal(value, key.type) for key, value in zip(keys, after, strict=True))
    return ordered.where(sa.tuple_(*keys) < sa.tuple_(*given))


def slice_of(rows: Sequence[sa.RowMapping], keys: Sequence[sa.Column[Any]], limit: int) -> Slice:
    """Build a page from the rows of a `newest_first` query; they must contain the key columns."""
    kept = [plain(row) for row in rows[:limit]]
    has_more = len(rows) > limit
    return Slice(kept, tuple(kept[-1][key.name] for key in keys) if has_more else None)


def plain(row: sa.RowMapping) -> Row:
    """Convert a row to a dict with plain `str` keys; SQLAlchemy's keys are a subclass of str."""
    return {str(name): value for name, value in row.items()}
