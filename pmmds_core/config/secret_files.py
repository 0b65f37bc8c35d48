"""Reads secrets from files, such as the files that containers mount. The variable PMMDS_<NAME>_FILE names the file.

Add a setting's name to SECRETS if its value is secret. Not here: reading the environment (settings.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pmmds_core.errors import SettingError

SUFFIX = "_FILE"
SECRETS = frozenset(
    {
        "database_url",
        "mlflow_tracking_uri",
        "mlflow_database_url",
        "dagster_database_url",
        "celery_broker_url",
        "admin_token",
        "alert_urls",
        "webhook_urls",
        "webhook_secret",
        "console_oidc_client_secret",
    }
)
# Settings whose file may be empty. For all other settings, an empty file is an error, because it would select the
# default.
_MAY_BE_EMPTY = frozenset({"alert_urls", "webhook_urls", "webhook_secret", "console_oidc_client_secret"})
_MAX_BYTES = 64 * 1024


def raw_value(name: str, variable: str, source: Mapping[str, str]) -> str:
    """Return the raw value of a setting.

    The value is that of the setting's variable or, if the variable is not set, the content of the file that the `_FILE`
    variable names, without surrounding whitespace. The variable takes precedence, because a process passes its settings
    to child processes as variables.

    Raises:
        SettingError: the file cannot be read, is empty or is not one line of text. The message never shows its content.
    """
    given = source.get(variable, "")
    path = source.get(variable + SUFFIX, "") if name in SECRETS else ""
    if given or not path:
        return given
    return secret_in(name, variable + SUFFIX, path)


def secret_in(name: str, variable: str, path: str) -> str:
    """Return the content of a secret's file, without surrounding whitespace.

    Args:
        name: the setting.
        variable: the variable or line of pmmds.toml that names the file, for messages.
        path: the file.

    Raises:
        SettingError: the file cannot be used, as described for `raw_value`.
    """
    value = _read(variable, Path(path).expanduser())
    if not value and name not in _MAY_BE_EMPTY:
        raise SettingError(
            f"{variable} names {path}, which is empty.",
            next_step="Write the secret to the file, or set the value itself.",
        )
    return value


def _read(variable: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        text = content.decode().strip()
    except OSError as error:
        raise SettingError(
            f"{variable} names {path}, which cannot be read: {error.strerror}.",
            next_step="Specify a secret file that this user can read.",
        ) from None
    except UnicodeDecodeError:
        text = "\n"
    if "\n" in text or "\0" in text or len(content) > _MAX_BYTES:
        raise SettingError(
            f"{variable} names {path}, which is not one line of text.", next_step="Write only the secret to it."
        )
    return text
