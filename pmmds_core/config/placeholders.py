"""Rejects secrets that were copied from a published example and not replaced.

Add the pattern here if an example uses a new placeholder. Not here: reading secrets (secret_files.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from pmmds_core.errors import SettingError

# Variables of Dagster and MLflow in the Kubernetes manifests.
_FOREIGN_VARIABLES = ("DAGSTER_DATABASE_URL", "MLFLOW_BACKEND_STORE_URI")
_PLACEHOLDER = re.compile(r"change[-_ ]?(me|it|this)|replace[-_ ]?me|your[-_ ].*|<.*>|…|\.\.\.|todo", re.IGNORECASE)


def reject_placeholders(source: Mapping[str, str], secrets: Mapping[str, str]) -> None:
    """Raise SettingError if a secret is still the placeholder of an example.

    Args:
        source: the environment variables. The variables of Dagster and MLflow are also checked.
        secrets: the values by variable name. A value is a secret or a URL with a password.
    """
    for variable, value in {**{v: source.get(v, "") for v in _FOREIGN_VARIABLES}, **secrets}.items():
        if _PLACEHOLDER.fullmatch(_secret_part(value)):
            raise SettingError(
                f"{variable} is still the placeholder from an example.",
                next_step="Set a random secret; `make secrets` generates the secrets of the Compose files.",
            )


def _secret_part(value: str) -> str:
    """Return the decoded password if the text is a URL with a password, or the text unchanged."""
    if "://" not in value:
        return value.strip()
    try:
        return unquote(urlsplit(value).password or "")
    except ValueError:  # an invalid URL is reported where it is used
        return ""
