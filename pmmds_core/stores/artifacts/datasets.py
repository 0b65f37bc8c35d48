"""Stores data sets: a Parquet file named by its digest, and a database row with kind and origin.

Not here: what the rows mean (data/reader.py, training/split.py).
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa

from pmmds_core.errors import DataError, HomeNotWritableError
from pmmds_core.runtime.atomic_write import replacing
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import reference_datasets

if TYPE_CHECKING:
    import pandas as pd

_other = reference_datasets.alias()
_IDS_PER_STATEMENT = 500

DatasetKind = Literal["reference", "labelled", "training", "holdout", "training_keys", "holdout_keys"]


@dataclass(frozen=True)
class Dataset:
    """One stored data set. `digest`: sha256 of its content."""

    dataset_id: str
    kind: str
    digest: str
    path: Path
    source: str
    n_rows: int
    run_id: str
    details: Mapping[str, Any]
    created_at: datetime

    def read(self) -> pd.DataFrame:
        """Read the rows. Raises DataError if the file cannot be read."""
        import pandas as pd

        try:
            return pd.read_parquet(self.path)
        except OSError as error:
            raise DataError(
                f"The {self.kind} data set {self.path} cannot be read: {error}.",
                next_step="Rematerialize its upstream assets.",
            ) from None


class DatasetStore:
    """Writes and reads data sets."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._database = database
        self._folder = folder

    def save(
        self,
        kind: DatasetKind,
        frame: pd.DataFrame,
        digest: str,
        *,
        source: str,
        run_id: str,
        details: Mapping[str, Any],
    ) -> Dataset:
        """Store a frame. If a file with the same content exists, it is not written again."""
        path = self._folder / kind / f"{digest[:32]}.parquet"
        _write_once(frame, path)
        dataset = Dataset(
            uuid.uuid4().hex[:12], kind, digest, path, source, len(frame), run_id, details, datetime.now(UTC)
        )
        row = {**vars(dataset), "path": str(path), "details": dict(details)}
        with self._database.begin() as connection:
            connection.execute(sa.insert(reference_datasets).values(row))
        return dataset

    def expire(self, before: datetime, kept_runs: Collection[str], *, dry_run: bool = False) -> list[Path]:
        """Delete the database rows of data sets created before a time, and return the files that are no longer in use.

        Keeps the newest data set of each kind and those of `kept_runs`. Does not return files reused since `before`.
        """
        c = reference_datasets.c
        newest = sa.select(sa.func.max(c.created_at)).where(c.kind == _other.c.kind).scalar_subquery()
        old = sa.select(_other.c.dataset_id, _other.c.path).where(
            _other.c.created_at < before, _other.c.created_at < newest, _other.c.run_id.not_in(sorted(kept_runs))
        )
        with self._database.begin() as connection:
            ids = [row.dataset_id for row in connection.execute(old)]
            if not dry_run:
                for start in range(0, len(ids), _IDS_PER_STATEMENT):
                    part = ids[start : start + _IDS_PER_STATEMENT]
                    connection.execute(sa.delete(reference_datasets).where(c.dataset_id.in_(part)))
            rows = connection.execute(sa.select(c.dataset_id, c.path)).all()
        named = {row.path for row in rows if not dry_run or row.dataset_id not in set(ids)}
        files = self._folder.glob("*/*.parquet")
        return [path for path in files if str(path) not in named and path.stat().st_mtime < before.timestamp()]

    def latest(self, kind: DatasetKind, *, run_id: str = "") -> Dataset | None:
        """Return the run's newest data set of a kind or, if it has none, the newest of any run."""
        query = sa.select(reference_datasets).where(reference_datasets.c.kind == kind)
        newest = reference_datasets.c.created_at.desc()
        with self._database.connect() as connection:
            of_run = query.where(reference_datasets.c.run_id == run_id).order_by(newest).limit(1)
            row = connection.execute(of_run).mappings().first() if run_id else None
            row = row or connection.execute(query.order_by(newest).limit(1)).mappings().first()
        return None if row is None else Dataset(**{**row, "path": Path(row["path"])})

    def of_digest(self, kind: DatasetKind, digest: str, *, run_id: str = "") -> Dataset | None:
        """Return the data set with this digest: the run's own record if there is one, otherwise the newest."""
        c = reference_datasets.c
        query = sa.select(reference_datasets).where(c.kind == kind, c.digest == digest)
        return self._first(query.order_by((c.run_id == run_id).desc(), c.created_at.desc()))

    def of_run(self, kind: DatasetKind, run_id: str) -> Dataset | None:
        """A run's newest data set of a kind."""
        c = reference_datasets.c
        query = sa.select(reference_datasets).where(c.kind == kind, c.run_id == run_id)
        return self._first(query.order_by(c.created_at.desc()))

    def _first(self, query: sa.Select[Any]) -> Dataset | None:
        with self._database.connect() as connection:
            row = connection.execute(query.limit(1)).mappings().first()
        return None if row is None else Dataset(**{**row, "path": Path(row["path"])})

    def require(self, kind: DatasetKind, asset: str, *, run_id: str = "") -> Dataset:
        """Return the newest data set of a kind. Raises DataError, which names the asset to materialize first."""
        dataset = self.latest(kind, run_id=run_id)
        if dataset is None:
            raise DataError(f"There is no {kind} data set yet.", next_step=f"Materialize {asset} first.")
        return dataset


def _write_once(frame: pd.DataFrame, path: Path) -> None:
    if path.exists():
        path.touch()  # reuse restarts the file's retention period
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as unfinished:
            frame.to_parquet(unfinished, index=False)
    except OSError as error:
        raise HomeNotWritableError(
            f"The data set {path} cannot be written: {error.strerror or error}.",
            next_step="Free disk space, or point PMMDS_HOME at a writable folder.",
        ) from error
