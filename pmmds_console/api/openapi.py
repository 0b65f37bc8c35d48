"""The OpenAPI 3.1 document of a route table; schemas are those of the response types.

Not here: the routes (routes.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

import msgspec

from pmmds.resources import ActionResult, Me, Problem
from pmmds_console.actions.table import ACTIONS, Action
from pmmds_console.api.changes import ME, PROBLEMS, body_of, path_parameters
from pmmds_console.api.route import Route
from pmmds_console.problems import MEDIA_TYPE
from pmmds_console.sign_in.cookies import FORM_HEADER
from pmmds_core.policies.roles import Role

Document = dict[str, Any]
_TEMPLATE = "#/components/schemas/{name}"
_EVERY_ROUTE = (401, 403, 422, 503)
_SECURITY: Document = {
    "type": "http",
    "scheme": "bearer",
    "description": "The admin token or an API token. Not required for local requests to a console that listens on "
    "loopback with sign-in off.",
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
    bodies = [body_of(action) for action in ACTIONS]
    kinds = [*(route.kind for route in routes), *bodies, ActionResult, Me, Problem]
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_TEMPLATE)
    operations = {
        f"{base}{route.path}": {"get": _operation(route, schema)}
        for route, schema in zip(routes, schemas[: len(routes)], strict=True)
    }
    operations[f"{base}{ME}"] = {"get": _me()}
    for action, schema in zip(ACTIONS, schemas[len(routes) :], strict=False):
        operations[f"{base}{action.path}"] = {"post": _change(action, schema)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "PMMDS monitoring",
            "version": version("pmmds"),
            "description": "Lists are newest first; `next` is the reference of the next page, relative to "
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
        **({} if route.role == Role.VIEWER else {"description": f"Requires the role {route.role.word}."}),
        "parameters": [*(p.document() for p in route.parameters), _NONE_MATCH],
        "responses": {"200": found, "304": {"description": "Not modified"}, **problems},
    }


def _me() -> Document:
    problems = {str(code): _problem(code) for code in (401, 403, 503)}
    return {
        "operationId": "getMe",
        "summary": "The caller's name and role",
        "parameters": [],
        "responses": {"200": _success(Me), **problems},
    }


def _change(action: Action, body: Document) -> Document:
    token = {"name": FORM_HEADER, "in": "header", "required": False, "schema": {"type": "string"}}
    token["description"] = "Form token of the session; bearer tokens and local requests need none"
    first, _, rest = action.name.partition(" ")
    return {
        "operationId": f"{first}{rest.title()}"
        + {"alert_id": "Alert", "decision_id": "Decision", "": ""}[action.parameter],
        "summary": action.summary,
        "description": f"Requires the role {action.role.word}.",
        "parameters": [*(p.document() for p in path_parameters(action)), token],
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {"200": _success(ActionResult), **{str(code): _problem(code) for code in PROBLEMS}},
    }


def _success(kind: type[msgspec.Struct]) -> Document:
    schema = {"$ref": _TEMPLATE.format(name=kind.__name__)}
    return {"description": "Success", "content": {"application/json": {"schema": schema}}}


def _problem(code: int) -> Document:
    schema = {"$ref": _TEMPLATE.format(name="Problem")}
    return {"description": HTTPStatus(code).phrase, "content": {MEDIA_TYPE: {"schema": schema}}}
