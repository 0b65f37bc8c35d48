"""Records which training run registered each model version; MLflow's alias `challenger` does not identify the run.

Not here: the versions (stores/artifacts/model_registry.py), their training rows
(workflows/unseen_rows.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import registered_versions


@dataclass(frozen=True)
class Registration:
    """A version and the run that registered it. `digest`: bundle.model_digest. All other digests identify data sets."""

    model_name: str
    version: str
    run_id: str
    digest: str
    training_digest: str
    holdout_digest: str
    registered_at: datetime


class RegistrationStore:
    """Writes and reads registrations of one model."""

    def __init__(self, database: Database, model_name: str) -> None:
        self._database = database
        self._model_name = model_name

    def save(self, version: str, *, run_id: str, digest: str, training_digest: str, holdout_digest: str) -> None:
        """Record that a run registered `version`."""
        registration = Registration(
            self._model_name, version, run_id, digest, training_digest, holdout_digest, datetime.now(UTC)
        )
        with self._database.begin() as connection:
            connection.execute(sa.insert(registered_versions).values(vars(registration)))

    def of_run(self, run_id: str) -> Registration | None:
        """Return the newest version that the run registered or, if there is none, the newest of any run."""
        c = registered_versions.c
        query = sa.select(registered_versions).where(c.model_name == self._model_name)
        query = query.order_by((c.run_id == run_id).desc(), c.registered_at.desc()).limit(1)
        with self._database.connect() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else Registration(**row)

    def of_version(self, version: str) -> Registration | None:
        """The registration of a version; None if PMMDS did not register it."""
        c = registered_versions.c
        query = sa.select(registered_versions).where(c.model_name == self._model_name, c.version == version)
        with self._database.connect() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else Registration(**row)
