"""The route table, with the OpenAPI document that is made from it."""

from __future__ import annotations

from pmmds_console.api.documents import DOCUMENTS
from pmmds_console.api.lists import LISTS
from pmmds_console.api.openapi import Document, openapi_document
from pmmds_console.api.route import Asked, Route

BASE = "/api/v1/monitoring"


def _openapi(_: Asked) -> Document:
    return openapi_document(ROUTES, BASE)


ROUTES: tuple[Route, ...] = (
    *LISTS,
    *DOCUMENTS,
    Route("/openapi.json", "getOpenApi", "This document (OpenAPI 3.1)", Document, _openapi, needs_database=False),
)
