"""Records a change in the audit events, whether or not it succeeded. The console and the command line both use it.

Not here: requests refused before they reach a change (pmmds_console/refusals.py), stored events
(stores/identity/audit.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pmmds_core.deployment import Deployment
from pmmds_core.errors import PmmdsError, StoreError, UsageError
from pmmds_core.runtime.json_logs import get_logger
from pmmds_core.stores.identity.audit import DONE, FAILED, REFUSED, Origin

COMMAND_LINE = "command line"
log = get_logger("pmmds.audit")


@contextmanager
def audited(deployment: Deployment, origin: Origin, action: str, target: str, detail: str = "") -> Iterator[None]:
    """Record the change that is made in the block.

    The outcome is done, refused (UsageError) or failed (any other error).

    Args:
        deployment: the deployment.
        origin: the person or program that makes the change.
        action: the action, such as `approve`.
        target: the target of the action, such as `alert 3`.
        detail: the note or the reason of the change. If the change fails, the message of the error is recorded instead.

    Raises:
        Exception: the error of the block, unchanged. An event that cannot be stored is logged instead.
    """
    try:
        yield
    except PmmdsError as error:
        record(deployment, origin, action, target, REFUSED if isinstance(error, UsageError) else FAILED, error.message)
        raise
    except Exception as error:
        record(deployment, origin, action, target, FAILED, type(error).__name__)
        raise
    record(deployment, origin, action, target, DONE, detail)


def record(deployment: Deployment, origin: Origin, action: str, target: str, outcome: str, detail: str) -> None:
    """Store one event. If the store fails, the event is logged."""
    try:
        deployment.audit.add(origin, action, target, outcome, detail)
    except StoreError as error:
        log.warning(
            "audit_event_lost", actor=origin.actor, action=action, target=target, outcome=outcome, problem=str(error)
        )
