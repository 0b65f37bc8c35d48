"""A route of the API: one row of the table from which the server and the OpenAPI document are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pmmds_console.api.parameters import Parameter
from pmmds_core.deployment import Deployment
from pmmds_core.policies.roles import Role


@dataclass(frozen=True)
class Asked:
    """A checked request. `values`: its parameters; `query`: those that were given, as text; `path`: below the base."""

    deployment: Deployment
    path: str
    values: Mapping[str, Any]
    query: Mapping[str, str]


@dataclass(frozen=True)
class Route:
    """A resource.

    `path`: below the base, with names in braces. `operation`: its id for generated clients. `kind`: the type of the
    response. `read`: returns it; runs in a thread, may raise ProblemError and PmmdsError. `problems`: statuses besides
    those of every route. `role`: the least role that may read it.
    """

    path: str
    operation: str
    summary: str
    kind: Any
    read: Callable[[Asked], Any]
    parameters: tuple[Parameter, ...] = ()
    problems: tuple[int, ...] = ()
    needs_database: bool = True
    role: Role = Role.VIEWER

    @property
    def pattern(self) -> str:
        """The path as Starlette matches it."""
        text = self.path
        for name in (p.name for p in self.parameters if p.has_slashes):
            text = text.replace(f"{{{name}}}", f"{{{name}:path}}")
        return text
