"""Writes the secrets of the compose files, random ones, into secrets/ beside this file. What is there already stays.

    python3 deploy/compose/make_secrets.py

Needs nothing but Python. To use a password of your own, write the file first, or change it and every URL that holds it.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable
from pathlib import Path

FOLDER = Path(__file__).parent / "secrets"
# Databases of one PostgreSQL, each with an owner of its own.
DATABASES = ("pmmds", "dagster", "mlflow")
# Logins that may do their work in pmmds and no more: databases.sh makes them members of PMMDS's roles.
LOGINS = {"serving": "pmmds_serving", "assets": "pmmds_assets"}


def main() -> None:
    """Make what is missing, and say what was made."""
    # Containers read the files as a user of their own; nobody else of this machine gets into the folder.
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    FOLDER.chmod(0o700)
    made = [name for name, content in _wanted().items() if _write(name, content)]
    print(f"{FOLDER}: made {', '.join(made)}." if made else f"{FOLDER}: everything is there; nothing was changed.")


def _wanted() -> dict[str, Callable[[], str]]:
    """File to what makes its content, those that others hold first."""
    passwords = ["postgres_password", *(f"{name}_password" for name in (*DATABASES, *LOGINS))]
    files: dict[str, Callable[[], str]] = dict.fromkeys(
        [*passwords, "admin_token", "proxy_password", "grafana_password"], _random
    )
    files |= {
        # One URL for each that connects. Only the migrations own the tables.
        "migrator_database_url": lambda: _url("pmmds"),
        "serving_database_url": lambda: _login_url("serving"),
        "assets_database_url": lambda: _login_url("assets"),
        "dagster_database_url": lambda: _url("dagster"),
        "mlflow_database_url": lambda: _url("mlflow"),
        # The production overlay's way, through PgBouncer.
        "serving_pooled_database_url": lambda: _login_url("serving", at="pgbouncer:6432"),
        "assets_pooled_database_url": lambda: _login_url("assets", at="pgbouncer:6432"),
        "pgbouncer_users": lambda: "\n".join(f'"{login}" "{_read(f"{n}_password")}"' for n, login in LOGINS.items()),
        "proxy_users": lambda: f"pmmds:{_hashed(_read('proxy_password'))}",
        "alert_urls": lambda: "",
        "aws_credentials": lambda: "",
    }
    return files


def _write(name: str, content: Callable[[], str]) -> bool:
    path = FOLDER / name
    if path.exists():
        return False
    path.write_text(content() + "\n", encoding="utf-8")
    path.chmod(0o444)
    return True


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8").strip()


def _random() -> str:
    """32 characters that mean nothing in a URL, a shell or a quoted string; 190 bits."""
    return "".join(secrets.choice("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789") for _ in range(32))


def _url(database: str) -> str:
    """The owner's."""
    return f"postgresql://{database}:{_read(f'{database}_password')}@postgres:5432/{database}"


def _login_url(name: str, at: str = "postgres:5432") -> str:
    return f"postgresql://{LOGINS[name]}:{_read(f'{name}_password')}@{at}/pmmds"


def _hashed(password: str) -> str:
    """nginx's {SSHA}: enough for a password of 190 random bits; for one that people choose take `openssl passwd -6`."""
    salt = secrets.token_bytes(8)
    digest = hashlib.sha1(password.encode() + salt, usedforsecurity=False).digest()
    return "{SSHA}" + base64.b64encode(digest + salt).decode()


if __name__ == "__main__":
    main()
