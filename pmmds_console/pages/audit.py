"""The audit events: changes, refused requests and sign-ins.

Not here: recording them (refusals.py, pmmds_core/workflows/auditing.py).
"""

from __future__ import annotations

from urllib.parse import urlencode

from pmmds_console.api.lists import AUDIT_FILTERS
from pmmds_console.api.parameters import Parameter, RowId
from pmmds_console.pages.page import Page, PageContent, PageRequest
from pmmds_core.policies.roles import Role
from pmmds_core.stores.lifecycle.history import AUDIT, Selection

N_LISTED = 100


def _audit(asked: PageRequest) -> PageContent:
    before = asked.values["before"]
    filters = {f.name: asked.values[f.name] for f in AUDIT_FILTERS if asked.values[f.name] is not None}
    selection = Selection(N_LISTED, None if before is None else (before,), filters=filters)
    found = asked.deployment.history.page(AUDIT, selection)
    older = None if found.after is None else "?" + urlencode({**filters, "before": found.after[0]})
    chosen = {f.name: filters.get(f.name, "") for f in AUDIT_FILTERS}
    return PageContent("Audit", {"events": found.rows, "older": older, "filters": chosen})


PAGES = (
    Page(
        "/audit",
        "audit.html",
        _audit,
        (*AUDIT_FILTERS, Parameter("before", RowId, "Only events before the event with this number")),
        navigation="Audit",
        role=Role.APPROVER,
    ),
)
