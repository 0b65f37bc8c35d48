"""Pages of a table by key: rows newest first, continued after the last row of the previous page.

Rows inserted meanwhile come before the first page, so no row is repeated or skipped, and a page costs the same wherever
it begins. Not here: the tables (lifecycle/history.py), the text of a cursor (pmmds_console/api/cursors.py).
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
    """One page of rows. `after`: the keys of its last row if more rows follow, else None."""

    rows: list[Row]
    after: Keys | None


def newest_first(
    query: sa.Select[Any], keys: Sequence[sa.Column[Any]], after: Keys | None, limit: int
) -> sa.Select[Any]:
    """`query` in descending order of `keys`, from the row after `after`, with one row more than `limit`.

    Args:
        query: the rows.
        keys: columns that together are unique.
        after: values of `keys`; None: from the newest row.
        limit: rows of a page; the additional row shows whether there are more.
    """
    ordered = query.order_by(*(key.desc() for key in keys)).limit(limit + 1)
    if after is None:
        return ordered
    given = (sa.literal(value, key.type) for key, value in zip(keys, after, strict=True))
    return ordered.where(sa.tuple_(*keys) < sa.tuple_(*given))


def slice_of(rows: Sequence[sa.RowMapping], keys: Sequence[sa.Column[Any]], limit: int) -> Slice:
    """The page of the rows that a query of `newest_first` returned; they must contain the keys."""
    kept = [plain(row) for row in rows[:limit]]
    has_more = len(rows) > limit
    return Slice(kept, tuple(kept[-1][key.name] for key in keys) if has_more else None)


def plain(row: sa.RowMapping) -> Row:
    """A row as a dict with plain texts as keys; SQLAlchemy's are a subclass of str."""
    return {str(name): value for name, value in row.items()}
