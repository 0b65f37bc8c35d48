"""JSON Schema of a contract's features, for OpenAPI.

Not here: the OpenAPI document (pmmds_serving/http/openapi.py).
"""

from __future__ import annotations

from typing import Any

from pmmds_core.contracts.contract import Contract, Feature


def features_schema(contract: Contract) -> dict[str, Any]:
    """Return the schema of the `features` object that compile_validator accepts, with the contract's example."""
    return {
        "type": "object",
        "title": "Features",
        "description": contract.description,
        "required": list(contract.feature_names),
        "properties": {feature.name: _feature_schema(feature) for feature in contract.features},
        "additionalProperties": True,
        "example": contract.example(),
    }


def _feature_schema(feature: Feature) -> dict[str, Any]:
    described = f"{feature.description} Unit: {feature.unit}." if feature.unit else feature.description
    schema: dict[str, Any] = {"description": described, "example": feature.typed_example}
    kind: str = "string"
    if feature.is_numeric:
        kind = "integer" if feature.type == "integer" else "number"
        limits = {"minimum": feature.minimum, "maximum": feature.maximum}
        schema |= {name: limit for name, limit in limits.items() if limit is not None}
    else:
        schema["enum"] = [*feature.all_values, *([None] if feature.is_nullable else [])]
    schema["type"] = [kind, "null"] if feature.is_nullable else kind
    return schema
