"""The pages of the prediction API and the monitoring API, from their OpenAPI documents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pmmds_console.api.openapi import openapi_document as monitoring_document
from pmmds_console.api.routes import BASE, ROUTES
from pmmds_core.config.settings import Settings
from pmmds_core.deployment import Deployment
from pmmds_serving.http.openapi import openapi_document as prediction_document
from pmmds_tests.harness.docs_site.reference.markdown import code, escaped, page, table

Document = dict[str, Any]


def prediction_page() -> str:
    document = prediction_document(Deployment(Settings()).contract)
    return page("Prediction API", "the service's OpenAPI document for the packaged contract", *sections(document))


def monitoring_page() -> str:
    document = monitoring_document(ROUTES, BASE)
    return page("Monitoring API: all routes", "the console's OpenAPI document", *sections(document))


def operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    """Method, path and operation of every route."""
    for path, methods in document["paths"].items():
        yield from ((method.upper(), path, operation) for method, operation in methods.items())


def sections(document: Document) -> Iterator[str]:
    yield from (operation_section(*found) for found in operations(document))
    yield "## Schemas"
    yield from (schema_section(name, schema) for name, schema in document["components"]["schemas"].items())


def operation_section(method: str, path: str, operation: Document) -> str:
    text = [operation.get("summary", ""), operation.get("description", "")]
    parameters = [(code(p["name"]), p["in"], p.get("description", "")) for p in operation.get("parameters", [])]
    given = table(("parameter", "in", "meaning"), parameters) if parameters else ""
    answers = [(code(s), shape(r), r.get("description", "")) for s, r in operation.get("responses", {}).items()]
    body = shape(operation.get("requestBody", {}))
    return "\n\n".join(
        part
        for part in (
            f"## {method} {path}",
            *(escaped(t) for t in text),
            given,
            f"Request body: {body}" if body else "",
            table(("status", "body", "description"), answers),
        )
        if part
    )


def shape(content: Document) -> str:
    """The schemas of a body, by name."""
    kinds = [kind(media.get("schema", {})) for media in content.get("content", {}).values()]
    return ", ".join(dict.fromkeys(k for k in kinds if k))


def kind(schema: Document) -> str:
    """A schema in one phrase: the name that it refers to, or its type and allowed values."""
    if "$ref" in schema:
        return code(schema["$ref"].rsplit("/", 1)[-1])
    choices = schema.get("anyOf", schema.get("oneOf", []))
    if choices:
        return " or ".join(kind(c) for c in choices)
    if "enum" in schema:
        return "one of " + ", ".join(code(v) for v in schema["enum"])
    if schema.get("type") == "array":
        return f"array of {kind(schema.get('items', {}))}"
    return str(schema.get("type", ""))


def schema_section(name: str, schema: Document) -> str:
    required = schema.get("required", [])
    rows = [
        (code(field), kind(found), "yes" if field in required else "no", found.get("description", ""))
        for field, found in schema.get("properties", {}).items()
    ]
    fields = table(("field", "type", "required", "meaning"), rows) if rows else kind(schema)
    return "\n\n".join(part for part in (f"### {name}", escaped(schema.get("description", "")), fields) if part)
