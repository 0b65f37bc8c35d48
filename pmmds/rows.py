"""A list of typed rows that converts to a data frame and is displayed as a table in notebooks.

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
    """A sequence of rows of one kind in the API's order, newest first."""

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
            title: the title to display above the rows.
            kind: a Struct class from resources.py.
            rows: instances of `kind`.
            flat: a function that returns the data-frame rows for one row. None turns each row into one data-frame row
                with the fields of `kind`.
            columns: the columns of the data frame, required with `flat`.
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
        """Return a data frame with one column per field. Times are datetime64[ns, UTC] and days are datetime64[ns]."""
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
        """Return the first rows as an HTML table for notebooks, with escaped values."""
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
    """Return a mapping from each time field to True for a timestamp and False for a day."""
    found: dict[str, bool] = {}
    for field in _fields(kind):
        kinds = getattr(field.type, "types", (field.type,))
        if any(isinstance(k, msgspec.inspect.DateTimeType) for k in kinds):
            found[field.name] = True
        elif any(isinstance(k, msgspec.inspect.DateType) for k in kinds):
            found[field.name] = False
    return found


def instant_text(name: str, value: datetime | date | str | None) -> str | None:
    """Format `since` or `until` for the API. A day means midnight UTC, and a time without a time zone is read as UTC.

    Raises:
        InvalidCallError: the value is not a time.
    """
    if value is None:
        return None
    try:
        instant = value if isinstance(value, date) else datetime.fromisoformat(value)
        if not isinstance(instant, datetime):
            instant = datetime(instant.year, instant.month, instant.day, tzinfo=UTC)
        aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
        return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except (TypeError, ValueError, OverflowError):
        raise InvalidCallError(
            f"{name}={value!r} is not a valid time.", next_step="Use 2026-03-01T12:00:00Z."
        ) from None
