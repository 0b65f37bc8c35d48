"""Archives days of the prediction log: writes them to Parquet, verifies the files, then deletes the rows.

Each logged row is either in the database or in a part recorded in prediction_archives: the record is inserted in the
transaction that deletes the rows. Files without a record are left over from a crash and are not read. A row that is
written later with the id of an archived row never replaces it: it is omitted, and counted if it differs. Not here: the
file's format (parquet_rows.py), records and their checks (archive_parts.py), queries (archived_rows.py,
logged_rows.py), when days are due (workflows/log_archiving.py).
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pmmds_core.contracts.contract import Contract
from pmmds_core.errors import StoreError
from pmmds_core.runtime.json_logs import get_logger
from pmmds_core.runtime.private_folders import make_private, sync_folder
from pmmds_core.runtime.time_windows import DAY, start_of_day
from pmmds_core.stores.database.dialects import LATE_COMMIT, insert, listed
from pmmds_core.stores.database.engine import Database, limit_lock_wait
from pmmds_core.stores.database.partitions import LOCK_TIMEOUT_SECONDS, days_in_default_partition, days_of, make_day
from pmmds_core.stores.database.tables import (
    histogram_watermarks,
    prediction_archives,
    prediction_logs,
    stale_hours,
)
from pmmds_core.stores.predictions.archive_parts import Part, checked_paths, problem_of
from pmmds_core.stores.predictions.archived_rows import ArchivedRows
from pmmds_core.stores.predictions.logged_rows import LiveRows, LoggedRows
from pmmds_core.stores.predictions.parquet_rows import GROUP_ROWS, Written, write_rows

# On SQLite, deleting a part's rows in one transaction blocks other writers for about a second.
SQLITE_PART_ROWS = 100_000
_TRIES = 5
_LEFTOVER_AFTER_SECONDS = 86_400
log = get_logger("pmmds.archive")


class PredictionArchive:
    """Archives days of one contract's log into a folder and opens the archived rows."""

    def __init__(self, database: Database, contract: Contract, folder: Path) -> None:
        self._database = database
        self._log = prediction_logs(contract)
        self._folder = folder

    def days_before(self, end: datetime) -> list[datetime]:
        """The days with rows in the database that end no later than `end`, oldest first."""
        with self._database.connect() as connection:
            if self._database.dialect == "postgresql":
                days = {_at(day) for day in (*days_of(connection), *days_in_default_partition(connection))}
                return [day for day in sorted(days) if day + DAY <= end and self._has_rows(connection, day)]
            oldest = connection.execute(sa.select(sa.func.min(self._log.c.predicted_at))).scalar_one()
            first = end if oldest is None else start_of_day(oldest)
            ended = [first + i * DAY for i in range(max(0, (end - first) // DAY))]
            return [day for day in ended if self._has_rows(connection, day)]

    def drop_empty_days(self, end: datetime) -> int:
        """Drop empty partitions of days that end no later than `end`, and return their number; 0 on SQLite."""
        if self._database.dialect != "postgresql":
            return 0
        with self._database.begin() as connection:
            limit_lock_wait(connection, LOCK_TIMEOUT_SECONDS)
            ended = [day for day in days_of(connection) if _at(day) + DAY <= end]
            return sum(connection.execute(sa.select(sa.func.pmmds_drop_empty_day(day))).scalar_one() for day in ended)

    def archive(self, day: datetime) -> list[Part]:
        """Move the rows of a day into parts and return them; safe to repeat after an interruption.

        Raises:
            StoreError: the disk is full or the file cannot be written; unarchived rows stay in the database.
        """
        parts: list[Part] = []
        for _ in range(_TRIES):
            while True:
                with self._database.connect() as connection:
                    if not self._has_rows(connection, day):
                        return parts
                moved = self._move(day)
                if moved is None:
                    break
                parts.append(moved)
        raise StoreError(
            f"Rows of {day:%Y-%m-%d} are still being written; the day was not archived.",
            next_step="The next run tries again to archive it.",
        )

    def problems(self, parts: Sequence[Part], *, with_content: bool = False) -> list[str]:
        """Return one message for each part whose file is missing or differs from its record; see `problem_of`."""
        compared = (problem_of(part, self._folder, with_content=with_content) for part in parts)
        return [problem for problem in compared if problem]

    def contradicted(self) -> list[str]:
        """Ids of rows in the database that differ from the archived row with the same id.

        Readers use the archived row.
        """
        ids: list[str] = []
        with self.snapshot() as connection:
            for day in sorted({part.day for part in self.parts(connection)}):
                ids += _differing(self._log, self.logged(connection, day, day + DAY))
        return ids

    def parts(
        self, connection: sa.Connection, start: datetime | None = None, end: datetime | None = None
    ) -> list[Part]:
        """The parts whose day overlaps [start, end), oldest first; None: no limit on that side."""
        t = prediction_archives
        query = sa.select(t).order_by(t.c.day, t.c.part)
        if start is not None:
            query = query.where(t.c.day > start - DAY)
        if end is not None:
            query = query.where(t.c.day < end)
        return [Part(**row) for row in connection.execute(query).mappings()]

    @contextmanager
    def snapshot(self) -> Iterator[sa.Connection]:
        """A connection with one consistent view of the database and the list of parts."""
        with self._database.snapshot() as connection:
            if self._database.dialect == "postgresql":
                # Lock before the first SELECT, which fixes the snapshot, so that a day that is dropped later stays
                # visible.
                connection.exec_driver_sql("LOCK TABLE prediction_archives IN ACCESS SHARE MODE")
            yield connection

    def rows(
        self, connection: sa.Connection, start: datetime | None = None, end: datetime | None = None
    ) -> ArchivedRows | None:
        """The archived rows of the days that overlap [start, end); None if there are none.

        Args:
            connection: result of `snapshot`.
            start: aware timestamp; None: no limit.
            end: aware timestamp, exclusive; None: no limit.

        Raises:
            DataError: a file is missing, or differs from its record in size or rows.
        """
        return self._opened(self.parts(connection, start, end))

    def logged(
        self, connection: sa.Connection, start: datetime | None = None, end: datetime | None = None
    ) -> LoggedRows:
        """The rows of the database and of the archive; same arguments and errors as `rows`."""
        parts = self.parts(connection, start, end)
        archived = self._opened(parts)
        hidden = [] if archived is None else sorted(archived.ids_among(self._late(connection, parts)))
        return LoggedRows(LiveRows(connection, hidden), archived)

    def _opened(self, parts: Sequence[Part]) -> ArchivedRows | None:
        return ArchivedRows(self._log, checked_paths(parts, self._folder)) if parts else None

    def _late(self, connection: sa.Connection, parts: Sequence[Part]) -> list[str]:
        """Ids of rows in the database whose day has an archived part."""
        c = self._log.c
        ids: list[str] = []
        for day in sorted({part.day for part in parts}):
            query = sa.select(c.request_id).where(c.predicted_at >= day, c.predicted_at < day + DAY)
            ids += connection.execute(query).scalars()
        return ids

    def _has_rows(self, connection: sa.Connection, day: datetime) -> bool:
        c = self._log.c
        query = sa.select(sa.exists().where(c.predicted_at >= day, c.predicted_at < day + DAY))
        return bool(connection.execute(query).scalar_one())

    def _move(self, day: datetime) -> Part | None:
        """Write one part and delete its rows; returns None and deletes nothing if the rows changed in between.

        A part without new rows is recorded too: a day is never dropped without a record.
        """
        if self._database.dialect == "postgresql":
            with self._database.begin() as connection:
                limit_lock_wait(connection, LOCK_TIMEOUT_SECONDS)
                make_day(connection, day.date())
        try:
            make_private(self._folder)
            with self._database.snapshot() as connection:
                before = self.parts(connection, day, day + DAY)
                file, content = self._write(connection, day, before)
        except OSError as error:
            raise StoreError(
                f"The rows of {day:%Y-%m-%d} cannot be archived in {self._folder}: {error.strerror or error}. "
                "Nothing was deleted.",
                next_step="Free disk space, or point PMMDS_ARCHIVE_PATH at a writable folder.",
            ) from None
        part = Part(
            day,
            before[-1].part + 1 if before else 1,
            file.name,
            content.written.n_rows,
            content.n_repeated,
            content.written.n_bytes,
            content.written.digest,
            datetime.now(UTC),
        )
        try:
            self._take_out(part, content)
        except _RowsChangedError:
            file.unlink()
            return None
        if content.n_differing:
            log.warning(
                "archived_ids_reused",
                day=f"{day:%Y-%m-%d}",
                n_rows=content.n_differing,
                request_id=content.differing_id,
                note="These rows have the id of an archived row but different values; the archived rows are kept.",
            )
        return part

    def _write(self, connection: sa.Connection, day: datetime, before: Sequence[Part]) -> tuple[Path, _Content]:
        self._remove_leftovers(day, before)
        unfinished = self._folder / f".{day:%Y-%m-%d}.{uuid.uuid4().hex[:8]}.unfinished"
        try:
            content = self._write_to(unfinished, connection, day, before)
            file = self._folder / f"{day:%Y-%m-%d}.{content.written.digest[:12]}.{uuid.uuid4().hex[:4]}.parquet"
            unfinished.rename(file)
            sync_folder(self._folder)  # otherwise a power failure could lose the file after its rows were deleted
            return file, content
        finally:
            unfinished.unlink(missing_ok=True)

    def _write_to(self, path: Path, connection: sa.Connection, day: datetime, before: Sequence[Part]) -> _Content:
        c = self._log.c
        query = sa.select(*c).where(c.predicted_at >= day, c.predicted_at < day + DAY)
        query = query.order_by(c.predicted_at, c.request_id)
        if self._database.dialect == "sqlite":
            query = query.limit(SQLITE_PART_ROWS)
        read = _Reading(self._log, self._opened(before))
        with connection.execute(query.execution_options(yield_per=GROUP_ROWS)) as result:
            written = write_rows(path, list(c), read.new(result.partitions(GROUP_ROWS)))
        return _Content(written, read.n_repeated, read.last, read.hours, read.n_differing, read.differing_id)

    def _remove_leftovers(self, day: datetime, before: Sequence[Part]) -> None:
        """Delete old unrecorded files of this day, which are left over from a crash."""
        recorded = {part.file for part in before}
        for path in (*self._folder.glob(f"{day:%Y-%m-%d}.*.parquet"), *self._folder.glob(f".{day:%Y-%m-%d}.*")):
            if path.name not in recorded and time.time() - path.stat().st_mtime > _LEFTOVER_AFTER_SECONDS:
                path.unlink()

    def _take_out(self, part: Part, content: _Content) -> None:
        """Delete the rows and record their part in one transaction. Raises _RowsChangedError if the rows differ."""
        with self._database.begin() as connection:
            if self._database.dialect == "postgresql":
                is_gone = _drop_recorded(connection, part)
            else:
                is_gone = self._delete(connection, part.day, content.last) == part.n_rows + part.n_repeated
                if is_gone:
                    connection.execute(sa.insert(prediction_archives).values(asdict(part)))
            if not is_gone:
                raise _RowsChangedError
            _count_again(connection, content.hours)

    def _delete(self, connection: sa.Connection, day: datetime, last: tuple[datetime, str]) -> int:
        """Delete the rows of a day up to and including the key `last`, and return their number."""
        c = self._log.c
        upto = sa.tuple_(c.predicted_at, c.request_id) <= sa.tuple_(sa.literal(last[0], c.predicted_at.type), last[1])
        return connection.execute(sa.delete(self._log).where(c.predicted_at >= day, upto)).rowcount


@contextmanager
def logged_rows(
    database: Database,
    archive: PredictionArchive | None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> Iterator[LoggedRows]:
    """The rows of one snapshot; without an archive, only those in the database. Same arguments and errors as `rows`."""
    if archive is None:
        with database.snapshot() as connection:
            yield LoggedRows(LiveRows(connection))
    else:
        with archive.snapshot() as connection:
            yield archive.logged(connection, start, end)


def _drop_recorded(connection: sa.Connection, part: Part) -> bool:
    """Drop the partition of the part's day and record the part, in one database call."""
    limit_lock_wait(connection, LOCK_TIMEOUT_SECONDS)
    values = (part.file, part.n_rows, part.n_repeated, part.n_bytes, part.digest)
    return bool(connection.execute(sa.select(sa.func.pmmds_drop_day(part.day.date(), *values))).scalar_one())


class _RowsChangedError(Exception):
    """Raised if the day's rows differ from the rows that were written."""


def _count_again(connection: sa.Connection, hours: Mapping[tuple[str, datetime], datetime]) -> None:
    """Record the hours of rows that arrived after the last refresh; the next one could not detect archived rows."""
    marks = histogram_watermarks.c
    through = {
        r.model_name: r.ingested_through
        for r in connection.execute(sa.select(marks.model_name, marks.ingested_through))
    }
    uncounted = [
        {"model_name": name, "hour": hour}
        for (name, hour), newest in hours.items()
        if name not in through or newest >= through[name] - LATE_COMMIT
    ]
    if uncounted:
        connection.execute(insert(connection, stale_hours).on_conflict_do_nothing(), uncounted)


@dataclass(frozen=True)
class _Content:
    """What was written to a file. `last`: the key of the last row read.

    `hours`: (model, hour) → the newest ingested_at of its rows. `n_differing`: number of repeated rows that differ from
    the archived row with the same id; `differing_id`: one such id.
    """

    written: Written
    n_repeated: int
    last: tuple[datetime, str]
    hours: Mapping[tuple[str, datetime], datetime]
    n_differing: int = 0
    differing_id: str = ""


class _Reading:
    """Yields the rows that no earlier part contains, and collects keys, hours and the number of repeated rows."""

    def __init__(self, log: sa.Table, earlier: ArchivedRows | None) -> None:
        self.n_repeated = self.n_differing = 0
        self.differing_id = ""
        self.last: tuple[datetime, str] = (datetime.min.replace(tzinfo=UTC), "")
        self.hours: dict[tuple[str, datetime], datetime] = {}
        self._log = log
        self._earlier = earlier
        names = [c.name for c in log.columns]
        self._id, self._at = names.index("request_id"), names.index("predicted_at")
        self._model, self._came = names.index("model_name"), names.index("ingested_at")

    def new(self, groups: Iterator[Sequence[sa.Row[Any]]]) -> Iterator[Sequence[Sequence[Any]]]:
        for rows in groups:
            self.last = rows[-1][self._at], rows[-1][self._id]
            for row in rows:
                key = row[self._model], row[self._at].replace(minute=0, second=0, microsecond=0)
                self.hours[key] = max(self.hours.get(key, row[self._came]), row[self._came])
            archived = {} if self._earlier is None else self._earlier.with_ids([row[self._id] for row in rows])
            self._compare([row for row in rows if row[self._id] in archived], archived)
            yield [tuple(row) for row in rows if row[self._id] not in archived]

    def _compare(self, rows: Sequence[sa.Row[Any]], archived: Mapping[str, sa.Row[Any]]) -> None:
        differing = [row[self._id] for row in rows if not _is_same(self._log, row, archived[row[self._id]])]
        self.n_repeated += len(rows)
        self.n_differing += len(differing)
        self.differing_id = self.differing_id or next(iter(differing), "")


def _is_same(log: sa.Table, row: sa.Row[Any], archived: sa.Row[Any]) -> bool:
    """True if both rows are deliveries of one record, that is, if they differ only in the delivery time."""
    return all(a == b for c, a, b in zip(log.c, row, archived, strict=True) if c.name != "ingested_at")


def _differing(log: sa.Table, logged: LoggedRows) -> list[str]:
    """Ids that occur in both sources with different values."""
    live, archived = logged.live, logged.archived
    if archived is None or not live.hidden:
        return []
    query = sa.select(*log.c).where(log.c.request_id.in_(listed(live.connection, live.hidden)))
    rows = archived.with_ids(live.hidden)
    return [row.request_id for row in live.connection.execute(query) if not _is_same(log, row, rows[row.request_id])]


def _at(day: Any) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
