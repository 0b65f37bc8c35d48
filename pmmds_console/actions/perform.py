"""Performs an action for an actor: checks the role and the texts, makes the change, and records the audit event.

Not here: the actions (table.py), form tokens (forms.py).
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request

from pmmds_console.actions.table import Action, Given, MissingTextError, UnknownTargetError
from pmmds_console.actor import Actor, actor_of, missing_role
from pmmds_console.problems import ProblemError, bad_request, conflict, forbidden, internal, not_found
from pmmds_console.sign_in.clients import Client
from pmmds_console.threads import StoreThreads, store_unavailable
from pmmds_core.deployment import Deployment
from pmmds_core.errors import PmmdsError, PromotionConflictError, StoreError, UsageError
from pmmds_core.runtime.json_logs import get_logger
from pmmds_core.stores.identity.audit import Origin
from pmmds_core.workflows.auditing import audited

MAX_TEXT, MAX_VERSION = 2_000, 32
log = get_logger("pmmds.console")


class RoleMissingError(UsageError):
    """The actor's role does not allow the action."""


async def perform_request(action: Action, threads: StoreThreads, request: Request, texts: Mapping[str, str]) -> str:
    """Make the change that a request asks for; see `perform`. The request's form token has been checked."""
    actor, client = actor_of(request), request.state.client
    target_id = request.path_params.get(action.parameter, "")
    request.state.is_recorded = True
    return await threads.run(lambda d: perform(action, d, actor, client, target_id, texts), changes=True)


def perform(
    action: Action, deployment: Deployment, actor: Actor, client: Client, target_id: str, texts: Mapping[str, str]
) -> str:
    """Make the change. Returns one sentence about it.

    Args:
        action: of the table.
        deployment: the deployment.
        actor: who asks for it; the name is recorded with the change.
        client: where the request comes from.
        target_id: the path's parameter; empty if the action has none.
        texts: the fields of the body.

    Raises:
        ProblemError: 400 invalid or missing text, 403 role too low, 404 no such target, 409 the target's state does not
            allow it, 503 a store is unavailable.
    """
    given = Given(deployment, actor.name, target_id, _text(texts, action.field), _text(texts, "to"))
    origin = Origin(actor.name, actor.method, client.address)
    target = action.target.format(target_id)
    if not action.parameter and given.to:
        target = f"{target}, to v{given.to.removeprefix('v')}"
    try:
        with audited(deployment, origin, action.name, target, given.text):
            if problem := missing_role(actor, action.role):
                raise RoleMissingError(problem)
            return action.run(given)
    except PmmdsError as error:
        raise _problem_of(error) from error


def _text(texts: Mapping[str, str], field: str) -> str:
    text, limit = texts.get(field, "").strip(), MAX_VERSION if field == "to" else MAX_TEXT
    if len(text) > limit:
        raise bad_request(f"The field {field} is longer than {limit:,} characters.")
    if "\0" in text:
        raise bad_request(f"The field {field} contains a NUL character.")
    return text


def _problem_of(error: PmmdsError) -> ProblemError:
    if isinstance(error, RoleMissingError):
        return forbidden(error.message)
    if isinstance(error, UnknownTargetError):
        return not_found(error.message)
    if isinstance(error, MissingTextError):
        return bad_request(error.message)
    if isinstance(error, UsageError | PromotionConflictError):
        return conflict(error.message)
    log.warning("change_failed", error_type=type(error).__name__, problem=str(error))
    return store_unavailable() if isinstance(error, StoreError) else internal()
