"""A deployment on PostgreSQL in which each person and process has a login that belongs to one role.

It has its own server, because roles apply to the whole server. Not here: the privileges of each role.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from pmmds_core.config.settings import load_settings
from pmmds_core.config.values import with_driver
from pmmds_core.deployment import Deployment
from pmmds_core.stores.database.backup import count_rows
from pmmds_core.stores.database.grants import ROLES
from pmmds_core.training.pipelines import CANDIDATES
from pmmds_tests.harness.command_line import Said, pmmds
from pmmds_tests.harness.dagster_platform import DagsterPlatform
from pmmds_tests.harness.postgres import temporary_cluster

OWNER, NAME = "pmmds_owner", "pmmds"
QUICK = {"logistic_regression": CANDIDATES["logistic_regression"]}


@dataclass(frozen=True)
class Staff:
    """A deployment with several logins. All logins share `variables`, and each login has its own database URL."""

    home: Path
    server: str
    variables: Mapping[str, str]

    def url(self, role: str) -> str:
        """Return the database URL of the login for `role`, or of the owner."""
        return f"postgresql://{role if role == OWNER else f'login_{role}'}@{self.server}/{NAME}"

    def environment(self, role: str, **more: str) -> dict[str, str]:
        return {"PMMDS_HOME": str(self.home), **self.variables, **more, "PMMDS_DATABASE_URL": self.url(role)}

    def deployment(self, role: str) -> Deployment:
        return Deployment(load_settings(self.environment(role)))

    def platform(self, role: str, **more: str) -> DagsterPlatform:
        """Return a Dagster platform that uses the role's login."""
        return DagsterPlatform.of_environment(self.environment(role, **more))

    def command(self, role: str, *arguments: str) -> Said:
        """Run `pmmds` with the role's login."""
        return pmmds(self.home, *arguments, given=self.environment(role))

    def rows(self) -> dict[str, int]:
        """Return the number of rows in each table."""
        return count_rows(self.deployment(OWNER).database)


@contextmanager
def hired(home: Path, **variables: str) -> Iterator[Staff]:
    """Run a server within the block, migrated by an owner without superuser rights, with a login for each role."""
    with temporary_cluster() as cluster:
        staff = Staff(home, f"127.0.0.1:{cluster.port}", variables)
        _run(cluster.url, f"CREATE ROLE {OWNER} LOGIN CREATEROLE", f"CREATE DATABASE {NAME} OWNER {OWNER}")
        for arguments in (("db", "migrate"), ("db", "roles", "--apply")):
            said = staff.command(OWNER, *arguments)
            assert said.code == 0, said.err
        _run(staff.url(OWNER), *(f"CREATE ROLE login_{role} LOGIN IN ROLE {role}" for role in ROLES))
        yield staff


def _run(url: str, *statements: str) -> None:
    engine = sa.create_engine(with_driver(url, "psycopg"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
