"""The audit events: changes, refused requests and sign-ins.

Not here: recording them (refusals.py, pmmds_core/workflows/auditing.py).
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from pmmds_console.api.parameters import Parameter
from pmmds_console.pages.page import Page, PageContent, PageRequest
from pmmds_console.problems import forbidden
from pmmds_core.policies.roles import Role

N_LISTED = 100
_EventId = Annotated[int, Meta(ge=1, le=2**31 - 1)]


def _audit(asked: PageRequest) -> PageContent:
    if not asked.actor.may(Role.APPROVER):
        raise forbidden("The audit events contain names and addresses; reading them requires the role approver.")
    events = asked.deployment.audit.recent(N_LISTED + 1, before=asked.values["before"])
    following = events[N_LISTED - 1].event_id if len(events) > N_LISTED else None
    return PageContent("Audit", {"events": events[:N_LISTED], "following": following})


PAGES = (
    Page(
        "/audit",
        "audit.html",
        _audit,
        (Parameter("before", _EventId, "Only events before the event with this number"),),
        navigation="Audit",
    ),
)
