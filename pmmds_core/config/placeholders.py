"""Secrets that were copied from an example and never replaced, which anybody can read there.

Add a spelling here when an example uses another one. Keep out: reading secrets (secret_files.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from pmmds_core.errors import SettingError

# Variables of Dagster and MLflow in the Kubernetes manifests.
_OF_OTHERS = ("DAGSTER_DATABASE_URL", "MLFLOW_BACKEND_STORE_URI")
_PLACEHOLDER = re.compile(r"change[-_ ]?(me|it|this)|replace[-_ ]?me|your[-_ ].*|<.*>|…|\.\.\.|todo", re.IGNORECASE)


def refuse_placeholders(source: Mapping[str, str], secrets: Mapping[str, str]) -> None:
    """Raises SettingError when a secret is still an example's.

    Args:
        source: variables, of which those of Dagster and MLflow are judged too.
        secrets: variable to value: a secret, or a URL with a password.
    """
    for variable, value in {**{v: source.get(v, "") for v in _OF_OTHERS}, **secrets}.items():
        if _PLACEHOLDER.fullmatch(_secret_part(value)):
            raise SettingError(
                f"{variable} holds the placeholder of an example instead of a secret.",
                next_step="Set a random secret of its own; `make secrets` makes those of the Compose files.",
            )


def _secret_part(value: str) -> str:
    """The password of a URL, decoded; anything else as it is."""
    if "://" not in value:
        return value.strip()
    try:
        return unquote(urlsplit(value).password or "")
    except ValueError:  # no URL: its reader says so
        return ""
