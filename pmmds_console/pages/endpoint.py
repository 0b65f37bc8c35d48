"""HTTP around a page: checked parameters, and every error as a page with its status.

Not here: access (access.py), threads and timeouts (reading.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from pmmds_console.actor import actor_of
from pmmds_console.api.parameters import parse
from pmmds_console.pages.page import Page, PageRequest
from pmmds_console.pages.rendering import PageRenderer
from pmmds_console.reading import Boundary, StoreReads
from pmmds_console.service_health import HealthReader


def endpoint(
    page: Page, reads: StoreReads, renderer: PageRenderer, health: HealthReader
) -> Callable[[Request], Awaitable[Response]]:
    """The Starlette endpoint of a page."""

    async def answer(request: Request) -> Response:
        boundary = Boundary()
        with boundary:
            values = parse(page.parameters, _given(request))
            asked = PageRequest(reads.deployment, actor_of(request), values, health.read)
            found = await reads.run(lambda: page.read(asked))
            return renderer.page(request, page, found.title, found.content)
        return renderer.problem(request, boundary.problem)

    return answer


def _given(request: Request) -> dict[str, list[str]]:
    """Texts by parameter. An empty field of a form counts as not given."""
    given: dict[str, list[str]] = {}
    for name, text in request.query_params.multi_items():
        if text:
            given.setdefault(name, []).append(text)
    return {**given, **{name: [str(text)] for name, text in request.path_params.items()}}
