"""The OpenAPI document, derived from the contract. Add each endpoint of application.py here."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from pmmds_core.contracts.contract import Contract, Label
from pmmds_core.contracts.json_schema import features_schema
from pmmds_core.contracts.label_words import LabelWords
from pmmds_core.contracts.request_validator import MESSAGE
from pmmds_serving.prediction.limits import MAX_BATCH, MAX_FEEDBACK
from pmmds_serving.prediction.predictor import MAX_REQUEST_ID

Document = dict[str, Any]


def openapi_document(contract: Contract, path_prefix: str = "") -> Document:
    """OpenAPI 3.1 of every endpoint. `path_prefix`: PMMDS_HTTP_PATH_PREFIX."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"PMMDS: {contract.model_name}",
            "version": version("pmmds"),
            "description": contract.description,
        },
        "servers": [{"url": path_prefix or "/"}],
        "paths": {**_data_paths(contract), **_status_paths()},
        "components": {"schemas": _schemas(contract), "securitySchemes": {"admin": _ADMIN}},
    }


_ADMIN: Document = {
    "type": "http",
    "scheme": "bearer",
    "description": "PMMDS_ADMIN_TOKEN. Without a token, guarded endpoints accept only clients on the same machine.",
}
_REQUEST_ID: Document = {
    "name": "X-Request-ID",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "pattern": f"^[ -~]{{0,{MAX_REQUEST_ID}}}$"},
    "description": "Returned in the response. A request repeated with the same id and payload is recorded once.",
}


def _data_paths(contract: Contract) -> Document:
    example = contract.example()
    label = {"request_id": "2f1c…", "label": 1, "observed_at": "2026-01-31T12:00:00Z"}
    return {
        "/api/v1/predict": _post(
            "Predict one row",
            "PredictRequest",
            "Prediction",
            {"features": example},
            parameters=[_REQUEST_ID],
        ),
        "/api/v1/predict/batch": _post(
            f"Predict up to {MAX_BATCH:,} rows, all or none",
            "BatchRequest",
            "BatchAnswer",
            {"instances": [example]},
            parameters=[_REQUEST_ID],
        ),
        "/api/v1/feedback": _post(
            "Send labels of earlier predictions",
            "FeedbackRequest",
            "FeedbackAnswer",
            {"items": [label]},
            also=(401, 403),
            security=[{"admin": []}, {}],
        ),
    }


def _status_paths() -> Document:
    get = {
        "/healthz": ("State of every component; 503 when the database is unavailable", (200, 503)),
        "/livez": ("The process is alive", (200,)),
        "/ready": ("A model is loaded and predictions can be recorded", (200, 503)),
        "/model": ("The served model", (200, 503)),
        "/metrics": ("Prometheus metrics", (200,)),
        "/metrics/json": ("The same metrics as JSON", (200,)),
    }
    paths: Document = {p: {"get": _operation(words, codes, ["status"])} for p, (words, codes) in get.items()}
    reload_model = _operation(
        "Reload the production version; responds after all workers serve it", (200, 401, 403, 503, 504), ["status"]
    )
    paths["/model/reload"] = {"post": {**reload_model, "security": [{"admin": []}, {}]}}
    return paths


def _operation(summary: str, codes: tuple[int, ...], tags: list[str]) -> Document:
    return {"summary": summary, "tags": tags, "responses": {str(c): {"description": _CODES[c]} for c in codes}}


_OBSERVED_AT = (
    "Default: now. ISO 8601, UTC without an offset; from PMMDS_TIMESTAMP_EARLIEST to PMMDS_TIMESTAMP_MAX_AHEAD_HOURS "
    "after now. Numbers are rejected"
)

_ERRORS = (400, 408, 413, 415, 503)
_CODES = {
    200: "Success",
    400: "The payload is invalid; lists all errors",
    401: "The admin token is missing or wrong",
    403: "Without an admin token, only clients on the same machine are allowed",
    408: "The request was not complete in time",
    413: "The body is too large",
    415: "The content type is not application/json, or the content coding is neither gzip nor deflate",
    503: "Unavailable; the body gives the reason",
    504: "Timed out; the body lists the version that each worker serves",
}


def _post(
    summary: str, request: str, response: str, example: Document, also: tuple[int, ...] = (), **more: Any
) -> Document:
    refused = {"content": {"application/json": {"schema": _ref("Refusal")}}}
    responses: Document = {str(c): {"description": _CODES[c], **refused} for c in (*_ERRORS, *also)}
    responses["200"] = {"description": _CODES[200], "content": {"application/json": {"schema": _ref(response)}}}
    body = {"required": True, "content": {"application/json": {"schema": _ref(request), "example": example}}}
    return {"post": {"summary": summary, "tags": ["data"], "requestBody": body, "responses": responses, **more}}


def _schemas(contract: Contract) -> Document:
    features, words = _ref("Features"), LabelWords(contract.label)
    counts = ("accepted", "updated", "unknown", "outdated", "ambiguous")
    return {
        "Features": features_schema(contract),
        "PredictRequest": _object({"features": features}),
        "BatchRequest": _object(
            {"instances": {"type": "array", "items": features, "minItems": 1, "maxItems": MAX_BATCH}}
        ),
        "Prediction": _object(
            {
                "request_id": {"type": "string"},
                "prediction": {"type": "integer", "enum": [0, 1]},
                "probability": {"type": "number", "minimum": 0, "maximum": 1},
                "model_name": {"type": "string"},
                "model_version": {"type": "string"},
                "latency_ms": {"type": "number"},
                "warnings": {"type": "array", "items": {"type": "string"}},
            }
        ),
        "BatchAnswer": _object({"predictions": {"type": "array", "items": _ref("Prediction")}}),
        "FeedbackRequest": _object(
            {"items": {"type": "array", "items": _ref("Label"), "minItems": 1, "maxItems": MAX_FEEDBACK}}
        ),
        "Label": {
            "type": "object",
            "required": ["request_id", "label"],
            "properties": {
                "request_id": {"type": "string", "pattern": "^[ -~]{1,128}$"},
                "label": {"enum": words.json_values, "description": _label_text(contract.label)},
                "observed_at": {"type": "string", "format": "date-time", "description": _OBSERVED_AT},
            },
        },
        "FeedbackAnswer": _object({name: {"type": "integer"} for name in counts}),
        "Refusal": _object(
            {
                "detail": _object(
                    {
                        "message": {"type": "string", "example": MESSAGE},
                        "errors": {"type": "array", "items": {"type": "string"}},
                        "warnings": {"type": "array", "items": {"type": "string"}},
                    }
                )
            }
        ),
    }


def _label_text(label: Label) -> str:
    return f"The class as in a label file; {label.positive} is the positive class"


def _object(properties: Document) -> Document:
    return {"type": "object", "required": list(properties), "properties": properties}


def _ref(name: str) -> Document:
    return {"$ref": f"#/components/schemas/{name}"}
