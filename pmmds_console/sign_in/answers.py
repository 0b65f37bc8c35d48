"""Sign-in pages, and error pages of requests without an actor.

Not here: error responses for programs (problems.py), all other pages.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import Response

from pmmds_console.problems import HEADERS, ProblemError, response_of
from pmmds_core.runtime.html_templates import html_environment

API = "/api/"
# Charts are inline SVG without style attributes, so the policy allows only the console's own style sheet.
PAGE_HEADERS = {
    **HEADERS,
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def page(name: str, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None, **values: Any) -> Response:
    """The page of a template of this package, without navigation."""
    body = html_environment("pmmds_console").get_template(name).render(**values)
    return Response(body, status, {**PAGE_HEADERS, **(headers or {})}, "text/html")


def wants_page(headers: Headers, path: str) -> bool:
    """True for a request of a browser, outside the API."""
    return not path.startswith(API) and "text/html" in headers.get("accept", "").lower()


def error_response(error: ProblemError, headers: Headers, path: str) -> Response:
    """The response of an error: a page for browsers, problem+json for programs."""
    if not wants_page(headers, path):
        return response_of(error)
    problem = error.problem
    return page("error.html", problem.status, error.headers, title=problem.title, problem=problem)
