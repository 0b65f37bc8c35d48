"""Finds the registered version specified by a user. Not here: using the version (the callers)."""

from __future__ import annotations

from contextlib import suppress

from pmmds_core.deployment import Deployment
from pmmds_core.errors import NoModelError, UsageError
from pmmds_core.stores.artifacts.model_registry import RegisteredVersion

# MLflow numbers versions from 1. A number with more digits is a typing error and does not fit in MLflow's tables.
_MAX_DIGITS = 9
_MAX_LISTED = 10


def find_version(deployment: Deployment, text: str) -> RegisteredVersion:
    """Return the registered version with this number. `2`, `v2` and `02` mean the same version.

    Raises:
        UsageError: the version does not exist. The next step lists the newest versions.
        RegistryUnavailableError: MLflow is unreachable.
    """
    number = text.strip().removeprefix("v")
    if number.isascii() and number.isdecimal() and len(number) <= _MAX_DIGITS:
        with suppress(NoModelError):
            return deployment.registry.get_version(deployment.model_name, str(int(number)))
    versions = [f"v{v.version}" for v in deployment.registry.versions(deployment.model_name)]
    more = f" and {len(versions) - _MAX_LISTED} older ones" if len(versions) > _MAX_LISTED else ""
    raise UsageError(
        f"{deployment.model_name} has no version {text.strip()!r} in the registry.",
        next_step=f"Registered versions: {', '.join(versions[:_MAX_LISTED])}{more}."
        if versions
        else "No version is registered yet: run `pmmds train`.",
    )
