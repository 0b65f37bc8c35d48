"""Sign-in of local users with a password: limits, a check that takes the same time for unknown users, audit events.

Not here: pages (routes.py), hashes (pmmds_core/stores/identity/passwords.py).
"""

from __future__ import annotations

import hashlib
from threading import Lock

from pmmds_console.problems import ProblemError, too_many_attempts, unauthorized
from pmmds_core.deployment import Deployment
from pmmds_core.stores.identity.attempts import seconds_to_wait, target_of
from pmmds_core.stores.identity.audit import DONE, REFUSED, SIGN_IN, Origin
from pmmds_core.stores.identity.passwords import is_right
from pmmds_core.stores.identity.sessions import PASSWORD

# One check at a time: concurrent attempts cannot exceed the limits, and one hash at a time uses 64 MiB.
_CHECKING = Lock()


def sign_in(deployment: Deployment, name: str, password: str, address: str, old_session: str) -> str:
    """Check a password and open a session. Returns the session's secret id.

    Args:
        deployment: the deployment.
        name: as entered.
        password: as entered.
        address: of the client.
        old_session: secret id of the session that the new one replaces; empty if there is none.

    Raises:
        ProblemError: 401 if name and password do not match, which is recorded; 429 after too many of these.
    """
    shown = name if name.isprintable() else ""
    with _CHECKING:
        user = deployment.users.find(shown)
        recorded = shown if user is not None else _digest(shown)
        seconds = seconds_to_wait(deployment.database, recorded, address)
        if seconds:
            raise _limited(seconds)
        matches = is_right(password, None if user is None else user.password_hash)
        if user is None or not matches or not user.is_enabled:
            reason = "The user is disabled." if user is not None and matches else "Name and password do not match."
            _record(deployment, recorded, address, REFUSED, reason)
            raise unauthorized("The user name or the password is wrong, or the user is disabled.")
    secret = deployment.sessions.open(user.name, user.role, PASSWORD, instead_of=old_session)
    current = deployment.users.find(user.name)
    if current is None or current.password_hash != user.password_hash:
        # The password was changed after it was checked, so the sessions before this one have been ended.
        deployment.sessions.end(secret)
        _record(deployment, recorded, address, REFUSED, "The password was changed during the sign-in.")
        raise unauthorized("The password was changed a moment ago. Sign in with the new one.")
    _record(deployment, user.name, address, DONE, "")
    return secret


def _digest(name: str) -> str:
    """Return what is recorded in place of an unknown name, because people also type their password into that field."""
    return f"unknown {hashlib.sha256(name.encode()).hexdigest()[:12]}" if name else ""


def _record(deployment: Deployment, name: str, address: str, outcome: str, detail: str) -> None:
    """Errors of the store are not caught, because the limits count these events."""
    actor = name if outcome == DONE else ""
    deployment.audit.add(Origin(actor, PASSWORD, address), SIGN_IN, target_of(name), outcome, detail)


def _limited(seconds: int) -> ProblemError:
    minutes = -(-seconds // 60)
    return too_many_attempts(f"Too many sign-ins failed. Try again in {minutes} minutes.", seconds)
