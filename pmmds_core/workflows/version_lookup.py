"""The registered version that a person named. Keep out: what is to be done with it."""

from __future__ import annotations

from contextlib import suppress

from pmmds_core.deployment import Deployment
from pmmds_core.errors import NoModelError, UsageError
from pmmds_core.stores.artifacts.model_registry import RegisteredVersion

# MLflow counts up from 1; a longer number is a slip, and does not fit into its tables.
_MAX_DIGITS = 9
_N_TOLD = 10


def find_version(deployment: Deployment, text: str) -> RegisteredVersion:
    """What the registry has under this number, written as the registry writes it: `2`, `v2` and `02` are one version.

    Raises:
        UsageError: no such version; the newest that there are are named.
        RegistryUnavailableError: MLflow does not answer.
    """
    number = text.strip().removeprefix("v")
    if number.isascii() and number.isdecimal() and len(number) <= _MAX_DIGITS:
        with suppress(NoModelError):
            return deployment.registry.get_version(deployment.model_name, str(int(number)))
    versions = [f"v{v.version}" for v in deployment.registry.versions(deployment.model_name)]
    more = f" and {len(versions) - _N_TOLD} older ones" if len(versions) > _N_TOLD else ""
    raise UsageError(
        f"{deployment.model_name} has no version {text.strip()!r} in the registry.",
        next_step=f"Registered are {', '.join(versions[:_N_TOLD])}{more}."
        if versions
        else "None is registered yet: `pmmds train` makes the first.",
    )
