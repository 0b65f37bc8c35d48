"""Secrets that stand in a file, as containers and orchestrators hand them over: PMMDS_<NAME>_FILE names it.

Add a setting's name here when its value must not stand in a variable. Keep out: reading the environment (settings.py).
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
    }
)
# For these an empty file says something; for the others it would fall back to a default that nobody meant.
_MAY_BE_EMPTY = frozenset({"alert_urls"})
_MAX_BYTES = 64 * 1024


def raw_value(name: str, variable: str, source: Mapping[str, str]) -> str:
    """What `source` gives a setting: its variable, else the content of the file that its `_FILE` variable names.

    The line's end is cut off. Where both are set, the variable stands: a process hands its settings on to its children.

    Raises:
        SettingError: the file cannot be read, is empty or is no text; its content is never repeated.
    """
    given = source.get(variable, "")
    path = source.get(variable + SUFFIX, "") if name in SECRETS else ""
    if given or not path:
        return given
    value = _read(variable + SUFFIX, Path(path).expanduser())
    if not value and name not in _MAY_BE_EMPTY:
        raise SettingError(
            f"{variable}{SUFFIX} names {path}, which is empty.", next_step=f"Write the secret there, or set {variable}."
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
            next_step="Name a file that holds the secret and that this user may read.",
        ) from None
    except UnicodeDecodeError:
        text = "\n"
    if "\n" in text or "\0" in text or len(content) > _MAX_BYTES:
        raise SettingError(
            f"{variable} names {path}, which is not one line of text.", next_step="Write the secret there, and no more."
        )
    return text
