"""A list of typed rows that can become a data frame, and is a table in a notebook.

Not here: the kinds of rows (resources.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, TypeVar, overload

import msgspec

from pmmds.errors import InvalidCallError

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T", bound=msgspec.Struct)
_N_SHOWN = 50


class Rows(Sequence[T]):
    """Rows of one kind, in the order of the API: newest first."""

    def __init__(
        self,
        title: str,
        kind: type[T],
        rows: Sequence[T],
        flat: Callable[[T], list[dict[str, Any]]] | None = None,
        columns: Sequence[str] = (),
    ) -> None:
        """
        Args:
            title: what the rows are.
            kind: a Struct of resources.py.
            rows: its instances.
            flat: the data-frame rows of one row; None: one, with the fields of `kind`.
            columns: of the data frame, if `flat` is given.
        """
        self.title = title
        self._rows = tuple(rows)
        self._flat = flat or _own_fields
        self._columns = list(columns or kind.__struct_fields__)
        self._times = _time_columns(kind)

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...

    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[T]:
        return iter(self._rows)

    def __repr__(self) -> str:
        return f"<{self.title}: {len(self)} rows>"

    def to_pandas(self) -> pd.DataFrame:
        """A data frame with a column per field; times are datetime64[ns, UTC], days datetime64[ns]."""
        import pandas as pd

        frame = pd.DataFrame(self._flat_rows(self._rows), columns=self._columns)
        for name, is_instant in self._times.items():
            if name in frame:
                frame[name] = pd.to_datetime(frame[name], utc=is_instant).astype(
                    "datetime64[ns, UTC]" if is_instant else "datetime64[ns]"
                )
        return frame

    def _flat_rows(self, rows: Sequence[T]) -> list[dict[str, Any]]:
        return [flat for row in rows for flat in self._flat(row)]

    def _repr_html_(self) -> str:
        """The first rows as a table, for notebooks; values are escaped."""
        from pmmds_core.reports.notebook import html_table

        shown = self._flat_rows(self._rows[:_N_SHOWN])
        more = len(self) - _N_SHOWN
        caption = f"{self.title} ({len(self):,})" + (f", the first {_N_SHOWN}" if more > 0 else "")
        return html_table(caption, self._columns, [[row.get(name) for name in self._columns] for row in shown])


def _own_fields(row: msgspec.Struct) -> list[dict[str, Any]]:
    return [msgspec.structs.asdict(row)]


def _fields(kind: type[Any]) -> tuple[msgspec.inspect.Field, ...]:
    info = msgspec.inspect.type_info(kind)
    assert isinstance(info, msgspec.inspect.StructType)
    return info.fields


def _time_columns(kind: type[Any]) -> dict[str, bool]:
    """The fields that are instants (True) or days (False)."""
    found: dict[str, bool] = {}
    for field in _fields(kind):
        kinds = getattr(field.type, "types", (field.type,))
        if any(isinstance(k, msgspec.inspect.DateTimeType) for k in kinds):
            found[field.name] = True
        elif any(isinstance(k, msgspec.inspect.DateType) for k in kinds):
            found[field.name] = False
    return found


def instant_text(name: str, value: datetime | date | str | None) -> str | None:
    """`since` or `until` as the API expects it; a day is its midnight in UTC, and so is a time without a zone.

    Raises:
        InvalidCallError: not a time.
    """
    if value is None:
        return None
    try:
        instant = value if isinstance(value, date) else datetime.fromisoformat(value)
        if not isinstance(instant, datetime):
            instant = datetime(instant.year, instant.month, instant.day, tzinfo=UTC)
    except (TypeError, ValueError):
        raise InvalidCallError(f"{name}={value!r} is not a time.", next_step="Use 2026-03-01T12:00:00Z.") from None
    aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")
