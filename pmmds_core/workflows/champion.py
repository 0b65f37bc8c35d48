"""Finds the champion to compare a challenger with.

Not here: serving a version without a record (pmmds_serving/model/verification.py).
"""

from __future__ import annotations

from pmmds_core.deployment import Deployment
from pmmds_core.errors import NoModelError
from pmmds_core.stores.artifacts.model_registry import PRODUCTION, RegisteredVersion


def champion_of(deployment: Deployment) -> RegisteredVersion | None:
    """Return the live version, or None before the first promotion.

    If PMMDS_MODEL_VERIFICATION=require_record and the alias points to a version without a recorded digest, return the
    newest version that has one.

    Raises:
        RegistryUnavailableError, DatabaseUnavailableError: a store is unavailable.
    """
    found = deployment.registry.version_of(deployment.model_name, PRODUCTION)
    if found is None or deployment.settings.model_verification != "require_record":
        return found
    if deployment.decisions.recorded_digest(found.version) is not None:
        return found
    recorded = deployment.decisions.newest_recorded()
    try:
        return None if recorded is None else deployment.registry.get_version(deployment.model_name, recorded)
    except NoModelError:
        return None
