"""The OpenAPI 3.1 document of a route table; schemas are those of the response types.

Not here: the routes (routes.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

import msgspec

from pmmds.resources import Problem
from pmmds_console.api.route import Route
from pmmds_console.problems import MEDIA_TYPE

Document = dict[str, Any]
_TEMPLATE = "#/components/schemas/{name}"
_EVERY_ROUTE = (401, 403, 422, 503)
_SECURITY: Document = {
    "type": "http",
    "scheme": "bearer",
    "description": "The admin token. Not required for local requests to a console that listens on loopback.",
}
_NONE_MATCH: Document = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The ETag of an earlier response; 304 if it is still the same",
    "schema": {"type": "string"},
}


def openapi_document(routes: Sequence[Route], base: str) -> Document:
    """The document of the routes below `base`."""
    kinds = [*(route.kind for route in routes), Problem]
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_TEMPLATE)
    operations = {
        f"{base}{route.path}": {"get": _operation(route, schema)}
        for route, schema in zip(routes, schemas[:-1], strict=True)
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "PMMDS monitoring",
            "version": version("pmmds"),
            "description": "Read-only. Lists are newest first; `next` is the reference of the next page, relative to "
            "the URL of this one. Times are ISO 8601 in UTC. Fields may be added.",
        },
        "paths": operations,
        "components": {"schemas": components, "securitySchemes": {"admin": _SECURITY}},
        "security": [{"admin": []}, {}],
    }


def _operation(route: Route, schema: Document) -> Document:
    found = {
        "description": "Success",
        "headers": {"ETag": {"schema": {"type": "string"}}},
        "content": {"application/json": {"schema": schema}},
    }
    problems = {str(code): _problem(code) for code in sorted({*_EVERY_ROUTE, *route.problems})}
    return {
        "operationId": route.operation,
        "summary": route.summary,
        "parameters": [*(p.document() for p in route.parameters), _NONE_MATCH],
        "responses": {"200": found, "304": {"description": "Not modified"}, **problems},
    }


def _problem(code: int) -> Document:
    schema = {"$ref": _TEMPLATE.format(name="Problem")}
    return {"description": HTTPStatus(code).phrase, "content": {MEDIA_TYPE: {"schema": schema}}}
