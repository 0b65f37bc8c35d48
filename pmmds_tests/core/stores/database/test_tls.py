"""TLS connections to PostgreSQL with a matching and with a different certificate authority."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import sqlalchemy as sa

from pmmds_core.config.settings import Settings
from pmmds_core.errors import DatabaseUnavailableError
from pmmds_core.stores.database.engine import Database, open_database
from pmmds_tests.harness.certificates import Certificates, make_certificates
from pmmds_tests.harness.postgres import Cluster, temporary_cluster

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def encrypted(certificates: Certificates) -> Iterator[Cluster]:
    """A server that accepts only TLS connections."""
    with temporary_cluster(certificates) as cluster:
        yield cluster


def connected(cluster: Cluster, home: Path, parameters: str) -> Database:
    return open_database(Settings(home=str(home), database_url=f"{cluster.url}?{parameters}"))


def test_a_matching_certificate_authority_gives_an_encrypted_connection(
    encrypted: Cluster, certificates: Certificates, tmp_path: Path
) -> None:
    parameters = f"sslmode=verify-full&sslrootcert={quote(str(certificates.authority))}"
    database = connected(encrypted, tmp_path, parameters)
    with database.connect() as connection:
        query = "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        is_encrypted, protocol = connection.execute(sa.text(query)).one()
    assert is_encrypted
    assert protocol == "TLSv1.3"
    database.close()


@pytest.mark.parametrize("kind", ["another authority", "another address", "without TLS"])
def test_connections_with_a_wrong_authority_or_address_are_rejected(
    encrypted: Cluster, certificates: Certificates, tmp_path: Path, kind: str
) -> None:
    other = make_certificates(tmp_path / "other").authority
    parameters = {
        "another authority": f"sslmode=verify-full&sslrootcert={quote(str(other))}",
        "another address": f"sslmode=verify-full&sslrootcert={quote(str(certificates.authority))}",
        "without TLS": "sslmode=disable",
    }[kind]
    if kind == "another address":
        host = encrypted.url.replace("127.0.0.1", "localhost")
        database = open_database(Settings(home=str(tmp_path), database_url=f"{host}?{parameters}"))
    else:
        database = connected(encrypted, tmp_path, parameters)
    with pytest.raises(DatabaseUnavailableError) as refused:
        database.ping()
    assert "\n" not in str(refused.value)
    assert {
        "another authority": "certificate",
        "another address": "certificate",
        "without TLS": "TLS",
    }[kind] in str(refused.value)
    database.close()
