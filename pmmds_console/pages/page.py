"""A page of the console: one row of the table from which routes and navigation are made.

Not here: HTML around a page (rendering.py), HTTP (endpoint.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pmmds_console.actor import Actor
from pmmds_console.api.parameters import Parameter
from pmmds_console.service_health import ServiceHealth
from pmmds_core.deployment import Deployment
from pmmds_core.policies.roles import Role


@dataclass(frozen=True)
class PageRequest:
    """A checked request for a page. `values`: its parameters. `health`: reads the health of the service."""

    deployment: Deployment
    actor: Actor
    values: Mapping[str, Any]
    health: Callable[[], ServiceHealth]


@dataclass(frozen=True)
class PageContent:
    """What a page shows. `title`: its heading; `content`: the variables of its template."""

    title: str
    content: Mapping[str, Any]


@dataclass(frozen=True)
class Page:
    """A page.

    `path`: with names in braces, as Starlette matches it. `template`: in templates/. `read`: returns the content; runs
    in a thread, may raise ProblemError and PmmdsError. `navigation`: its word in the navigation; empty: no entry.
    `section`: path of the entry that is marked as the current one. `role`: the least role that may read the page.
    """

    path: str
    template: str
    read: Callable[[PageRequest], PageContent]
    parameters: tuple[Parameter, ...] = ()
    navigation: str = ""
    section: str = ""
    role: Role = Role.VIEWER
