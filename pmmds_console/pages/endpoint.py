"""HTTP around a page: the required role, checked parameters, and the notice after a change.

Not here: access (access.py), threads and timeouts (threads.py), error pages (application.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from pmmds_console.actions.notices import notice_of
from pmmds_console.actor import actor_of, require_role
from pmmds_console.api.parameters import parse
from pmmds_console.pages.page import Page, PageRequest
from pmmds_console.pages.rendering import PageRenderer
from pmmds_console.service_health import HealthReader
from pmmds_console.sign_in.cookies import NOTICE, Cookies
from pmmds_console.threads import StoreThreads


def endpoint(
    page: Page, threads: StoreThreads, renderer: PageRenderer, health: HealthReader, cookies: Cookies
) -> Callable[[Request], Awaitable[Response]]:
    """The Starlette endpoint of a page. A page is read and rendered in a thread, because its charts take time."""

    async def answer(request: Request) -> Response:
        actor, notice = actor_of(request), notice_of(request, cookies)
        require_role(actor, page.role)
        values = parse(page.parameters, _given(request))
        response = await threads.run(
            lambda d: renderer.page(page, page.read(PageRequest(d, actor, values, health.read)), actor, notice)
        )
        if notice:
            cookies.delete(response, request.state.client, NOTICE)
        return response

    return answer


def _given(request: Request) -> dict[str, list[str]]:
    """Texts by parameter. An empty field of a form counts as not given."""
    given: dict[str, list[str]] = {}
    for name, text in request.query_params.multi_items():
        if text:
            given.setdefault(name, []).append(text)
    return {**given, **{name: [str(text)] for name, text in request.path_params.items()}}
