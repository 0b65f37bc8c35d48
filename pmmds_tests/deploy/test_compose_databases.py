"""Tests databases.sh, which PostgreSQL runs on its first start in Compose, without a container."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from pmmds_core.config.settings import Settings
from pmmds_core.contracts.contract import Contract
from pmmds_core.errors import DatabaseUnavailableError
from pmmds_core.stores.database.engine import Database, open_database
from pmmds_core.stores.database.grants import CONSOLE
from pmmds_core.stores.database.roles import check_rights
from pmmds_core.stores.database.schema import migrate
from pmmds_core.stores.identity.users import UserStore
from pmmds_core.stores.predictions.log import PredictionLog
from pmmds_tests.harness.postgres import Cluster, temporary_cluster
from pmmds_tests.harness.prediction_records import make_records

COMPOSE = Path(__file__).parents[2] / "deploy" / "compose"
pytestmark = pytest.mark.postgres


def made_secrets(folder: Path) -> Path:
    """Create the files of `make secrets`; return their folder."""
    script = folder / "make_secrets.py"
    script.write_bytes((COMPOSE / "make_secrets.py").read_bytes())
    subprocess.run([sys.executable, str(script)], check=True, capture_output=True)
    return folder / "secrets"


def run_script(cluster: Cluster, secrets: Path, folder: Path) -> str:
    """Run databases.sh in the same way as the image; return psql's command lines."""
    psql = shutil.which("psql")
    if psql is None:
        pytest.skip("needs psql: `apt-get install postgresql-client` (Debian, Ubuntu)")
    arguments, wrapper = folder / "arguments", folder / "bin" / "psql"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\necho "$@" >> {arguments}\nexec {psql} "$@"\n')
    wrapper.chmod(0o755)
    environment = {
        "PATH": f"{wrapper.parent}{os.pathsep}{os.environ['PATH']}",
        "PGHOST": "127.0.0.1",
        "PGPORT": str(cluster.port),
        "POSTGRES_USER": "postgres",
        "SECRETS": str(secrets),
    }
    script = str(COMPOSE / "databases.sh")
    done = subprocess.run(["bash", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return arguments.read_text()


def opened(cluster: Cluster, secrets: Path, name: str) -> Database:
    """Open a database by a URL that `make secrets` wrote, at this server's address."""
    url = (secrets / f"{name}_database_url").read_text().strip()
    return open_database(Settings(database_url=url.replace("@postgres:5432/", f"@127.0.0.1:{cluster.port}/")))


def test_each_login_can_use_only_its_own_database(tmp_path: Path, contract: Contract) -> None:
    secrets = made_secrets(tmp_path)
    with temporary_cluster() as cluster:
        command_lines = run_script(cluster, secrets, tmp_path)
        passwords = {p.name: p.read_text().strip() for p in secrets.glob("*_password")}
        assert [name for name, value in passwords.items() if value in command_lines] == []
        owner, service = opened(cluster, secrets, "migrator"), opened(cluster, secrets, "serving")
        migrate(owner, contract)
        assert PredictionLog(service, contract).append(make_records(contract, 5)) == 5
        with owner.connect() as connection:
            query = "SELECT rolname FROM pg_roles WHERE rolcanlogin ORDER BY 1"
            logins = list(connection.execute(sa.text(query)).scalars())
        assert logins == [
            "dagster",
            "mlflow",
            "pmmds",
            "pmmds_assets",
            "pmmds_console_login",
            "pmmds_serving",
            "postgres",
        ]
        console = opened(cluster, secrets, "console")
        check_rights(console, CONSOLE)
        assert UserStore(console).all() == []
        elsewhere = open_database(Settings(database_url=str(cluster.url_of("dagster")).replace("postgres@", "mlflow@")))
        with pytest.raises(DatabaseUnavailableError, match="no CONNECT on database dagster"):
            elsewhere.ping()
        check_passwords(cluster, secrets)
        for database in (owner, service, console, elsewhere):
            database.close()


def check_passwords(cluster: Cluster, secrets: Path) -> None:
    """Compare the stored verifiers with the files, because the test server does not require passwords."""
    superuser = open_database(Settings(database_url=cluster.url))
    with superuser.connect() as connection:
        query = "SELECT rolname, rolpassword FROM pg_authid WHERE rolcanlogin AND rolname <> 'postgres'"
        verifiers = {str(row.rolname): str(row.rolpassword) for row in connection.execute(sa.text(query))}
    superuser.close()
    files = {
        "pmmds_serving": "serving_password",
        "pmmds_assets": "assets_password",
        "pmmds_console_login": "console_password",
    }
    for login, verifier in verifiers.items():
        password = (secrets / files.get(login, f"{login}_password")).read_text().strip()
        assert matches_verifier(password, verifier), login


def matches_verifier(password: str, verifier: str) -> bool:
    """Return True if a SCRAM-SHA-256 verifier matches a password (RFC 5803)."""
    rounds_and_salt, keys = verifier.removeprefix("SCRAM-SHA-256$").split("$")
    rounds, salt = rounds_and_salt.split(":")
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(rounds))
    client = hmac.digest(salted, b"Client Key", "sha256")
    return base64.b64encode(hashlib.sha256(client).digest()).decode() == keys.split(":")[0]
