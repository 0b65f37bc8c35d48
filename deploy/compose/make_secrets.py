"""Write random secrets for the Compose files to the folder secrets/ next to this script; keep existing files.

    python3 deploy/compose/make_secrets.py

This script needs only Python. To use a password of your own, create its file before you run the script. To change it
later, also change every URL that contains it.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable
from pathlib import Path

FOLDER = Path(__file__).parent / "secrets"
# Databases on the PostgreSQL server, each with its own owner.
DATABASES = ("pmmds", "dagster", "mlflow")
# Logins with minimum privileges in the database pmmds; databases.sh makes them members of PMMDS's roles.
LOGINS = {"serving": "pmmds_serving", "assets": "pmmds_assets", "console": "pmmds_console_login"}


def main() -> None:
    """Create missing secrets and print their names."""
    # Each container reads the files as its own user, so the files are world-readable; the folder blocks other users.
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    FOLDER.chmod(0o700)
    made = [name for name, content in _wanted().items() if _write(name, content)]
    print(f"{FOLDER}: created {', '.join(made)}." if made else f"{FOLDER}: complete; nothing was changed.")


def _wanted() -> dict[str, Callable[[], str]]:
    """Map file names to functions that create their content; passwords precede the URLs that contain them."""
    passwords = ["postgres_password", *(f"{name}_password" for name in (*DATABASES, *LOGINS))]
    files: dict[str, Callable[[], str]] = dict.fromkeys(
        [*passwords, "admin_token", "proxy_password", "grafana_password"], _random
    )
    files |= {
        # One URL per client. Only the login for migrations owns the tables.
        "migrator_database_url": lambda: _url("pmmds"),
        "serving_database_url": lambda: _login_url("serving"),
        "assets_database_url": lambda: _login_url("assets"),
        "console_database_url": lambda: _login_url("console"),
        "dagster_database_url": lambda: _url("dagster"),
        "mlflow_database_url": lambda: _url("mlflow"),
        # The production overlay connects through PgBouncer.
        "serving_pooled_database_url": lambda: _login_url("serving", at="pgbouncer:6432"),
        "assets_pooled_database_url": lambda: _login_url("assets", at="pgbouncer:6432"),
        "console_pooled_database_url": lambda: _login_url("console", at="pgbouncer:6432"),
        "pgbouncer_users": lambda: "\n".join(f'"{login}" "{_read(f"{n}_password")}"' for n, login in LOGINS.items()),
        "proxy_users": lambda: f"pmmds:{_hashed(_read('proxy_password'))}",
        "alert_urls": lambda: "",
        "webhook_urls": lambda: "",
        "webhook_secret": _signing_secret,
        "console_oidc_client_secret": lambda: "",
        "aws_credentials": lambda: "",
    }
    return files


def _write(name: str, content: Callable[[], str]) -> bool:
    path = FOLDER / name
    if path.exists():
        return False
    text = content()
    path.write_text(text + "\n", encoding="utf-8")
    # An empty file is for your own value, so its owner may write to it.
    path.chmod(0o444 if text else 0o644)
    return True


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8").strip()


def _random() -> str:
    """Return 32 random characters (190 bits) that need no escaping in a URL, a shell or a quoted string."""
    return "".join(secrets.choice("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789") for _ in range(32))


def _signing_secret() -> str:
    """Return 32 random bytes in the form that the Standard Webhooks specification defines."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


def _url(database: str) -> str:
    """Return the database URL with the login of the database's owner."""
    return f"postgresql://{database}:{_read(f'{database}_password')}@postgres:5432/{database}"


def _login_url(name: str, at: str = "postgres:5432") -> str:
    return f"postgresql://{LOGINS[name]}:{_read(f'{name}_password')}@{at}/pmmds"


def _hashed(password: str) -> str:
    """Return the password's {SSHA} hash for nginx. For passwords that are not random, use `openssl passwd -6`."""
    salt = secrets.token_bytes(8)
    digest = hashlib.sha1(password.encode() + salt, usedforsecurity=False).digest()
    return "{SSHA}" + base64.b64encode(digest + salt).decode()


if __name__ == "__main__":
    main()
