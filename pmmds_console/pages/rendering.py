"""HTML of a page: the base template with navigation, the signed-in name and the banner.

Not here: the content of a page (the other modules), colors and type (static/).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from http import HTTPStatus
from typing import Any

from jinja2 import Environment
from starlette.responses import HTMLResponse, Response

from pmmds_console.actor import Actor
from pmmds_console.pages.filters import FILTERS
from pmmds_console.pages.links import Links
from pmmds_console.pages.page import Page, PageContent
from pmmds_console.problems import ProblemError
from pmmds_console.sign_in.answers import PAGE_HEADERS
from pmmds_core.policies.roles import Role
from pmmds_core.reports.drift_page import environment as report_environment
from pmmds_core.runtime.html_templates import html_environment


class PageRenderer:
    """Renders pages of one deployment."""

    def __init__(self, model_name: str, pages: Sequence[Page], links: Links) -> None:
        self._fixed = {
            "model_name": model_name,
            "entries": [(p.path, p.navigation) for p in pages if p.navigation],
            "Role": Role,
            "run_link": links.run,
            "version_link": links.version,
        }

    def page(self, page: Page, found: PageContent, actor: Actor, notice: str) -> Response:
        """A page with status 200. `notice`: a sentence about the change before it; may be empty."""
        section = page.section or page.path
        text = self._html(page.template, found.content, title=found.title, section=section, actor=actor, notice=notice)
        return HTMLResponse(text, headers=PAGE_HEADERS)

    def problem(self, error: ProblemError, actor: Actor) -> Response:
        """An error as a page with its status."""
        title = HTTPStatus(error.problem.status).phrase
        text = self._html("error.html", {"problem": error.problem}, title=title, section="", actor=actor, notice="")
        return HTMLResponse(text, error.problem.status, {**PAGE_HEADERS, **error.headers})

    def _html(self, template: str, content: Mapping[str, Any], **values: Any) -> str:
        return environment().get_template(template).render(**self._fixed, **content, **values)


@cache
def environment() -> Environment:
    """The reports' environment, in which templates of the console are found first."""
    from jinja2 import ChoiceLoader

    reports = report_environment()
    found = [html_environment(name).loader for name in ("pmmds_console.pages", "pmmds_console")]
    loaders = [loader for loader in (*found, reports.loader) if loader is not None]
    jinja = reports.overlay(loader=ChoiceLoader(loaders))
    jinja.filters = {**reports.filters, **FILTERS}
    return jinja
