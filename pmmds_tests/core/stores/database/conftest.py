"""Fixture: a deployment for the login of each database role."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from pmmds_core.config.settings import Settings
from pmmds_core.contracts.contract import Contract
from pmmds_core.deployment import Deployment
from pmmds_core.stores.database.engine import open_database
from pmmds_core.stores.database.grants import (
    GRANTS,
)
from pmmds_core.stores.database.roles import apply
from pmmds_core.stores.database.schema import migrate
from pmmds_tests.core.stores.database.role_work import As
from pmmds_tests.harness.postgres import Cluster


@pytest.fixture
def acting_as(postgres_cluster: Cluster, postgres_url: str, contract: Contract, tmp_path: Path) -> Iterator[As]:
    """Return the deployment for a login that has one role; the migrator owns the tables."""
    owner = Settings(home=str(tmp_path), database_url=postgres_url, retention_days=1)
    database = open_database(owner)
    migrate(database, contract)
    apply(database, with_roles=True)
    opened: list[Deployment] = []
    with database.begin() as connection:
        for role in GRANTS:
            connection.exec_driver_sql(f"DROP ROLE IF EXISTS login_{role}")
            connection.exec_driver_sql(f"CREATE ROLE login_{role} LOGIN IN ROLE {role}")

    def act(role: str) -> Deployment:
        url = postgres_url.replace("postgres@", f"login_{role}@")
        opened.append(Deployment(msgspec.structs.replace(owner, database_url=url)))
        return opened[-1]

    yield act
    for deployment in opened:
        deployment.database.close()
    database.close()
