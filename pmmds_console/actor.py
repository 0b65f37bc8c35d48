"""Who sends a request: set by access.py, read by pages and actions.

Not here: how a person signs in, and which requests are allowed (access.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from starlette.requests import Request

from pmmds_console.problems import forbidden
from pmmds_core.policies.roles import Role


@dataclass(frozen=True)
class Actor:
    """The person or program behind a request.

    `name`: recorded in decisions, alerts and the audit table. `method`: how the name was proved, such as `password` or
    `token`; `local` if sign-in is off. `form_token`: must come back with every form; empty for API tokens.
    """

    name: str
    role: Role
    method: str
    form_token: str = ""

    def may(self, role: Role) -> bool:
        """True if the actor has this role or a higher one."""
        return self.role >= role


def actor_of(request: Request) -> Actor:
    """The actor of a request that passed access.py."""
    return cast("Actor", request.state.actor)


def missing_role(actor: Actor, role: Role) -> str:
    """The sentence about a role that the actor does not have; empty if the actor has it."""
    if actor.may(role):
        return ""
    return f"{actor.name} has the role {actor.role.word}; this action requires the role {role.word}."


def require_role(actor: Actor, role: Role) -> None:
    """Raises ProblemError 403 unless the actor has this role or a higher one."""
    problem = missing_role(actor, role)
    if problem:
        raise forbidden(problem)
