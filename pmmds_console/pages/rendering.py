"""HTML of a page: the base template with navigation, the signed-in name and the banner.

Not here: the content of a page (the other modules), colors and type (static/).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from http import HTTPStatus
from typing import Any

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from pmmds_console.actor import Actor
from pmmds_console.pages.filters import FILTERS
from pmmds_console.pages.links import Links
from pmmds_console.pages.page import Page
from pmmds_console.problems import ProblemError
from pmmds_core.policies.roles import Role
from pmmds_core.reports.drift_page import environment as report_environment
from pmmds_core.runtime.html_templates import html_environment

# Charts are inline SVG without style attributes, so the policy allows only the console's own style sheet.
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}


class PageRenderer:
    """Renders pages of one deployment."""

    def __init__(self, model_name: str, pages: Sequence[Page], links: Links) -> None:
        self._model_name, self._links = model_name, links
        self._entries = [(p.path, p.navigation) for p in pages if p.navigation]

    def page(self, request: Request, page: Page, title: str, content: Mapping[str, Any]) -> Response:
        """A page with status 200."""
        return self.html(request, page.template, title, content, section=page.section or page.path)

    def problem(self, request: Request, error: ProblemError) -> Response:
        """An error as a page with its status."""
        status = HTTPStatus(error.problem.status)
        content = {"problem": error.problem}
        return self.html(request, "problem.html", status.phrase, content, status=status, headers=error.headers)

    def html(
        self,
        request: Request,
        template: str,
        title: str,
        content: Mapping[str, Any],
        *,
        section: str = "",
        status: HTTPStatus = HTTPStatus.OK,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """A page of any template that extends base.html."""
        actor: Actor | None = getattr(request.state, "actor", None)
        root = str(request.scope.get("root_path", "")).rstrip("/")
        text = (
            environment()
            .get_template(template)
            .render(
                **content,
                title=title,
                model_name=self._model_name,
                entries=self._entries,
                section=section,
                actor=actor,
                notice=getattr(request.state, "notice", ""),
                root=root,
                Role=Role,
                run_link=self._links.run,
                version_link=self._links.version,
            )
        )
        return HTMLResponse(text, status, {**HEADERS, **(headers or {})})


@cache
def environment() -> Environment:
    """The reports' environment, in which templates of the console are found first."""
    from jinja2 import ChoiceLoader

    reports, console = report_environment(), html_environment("pmmds_console.pages")
    assert console.loader is not None
    assert reports.loader is not None
    jinja = reports.overlay(loader=ChoiceLoader([console.loader, reports.loader]))
    jinja.filters = {**reports.filters, **FILTERS}
    return jinja
