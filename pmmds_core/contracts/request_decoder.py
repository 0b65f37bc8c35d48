"""The shortest way from a request's bytes to a row: decoded and checked in one pass, when all is well.

Whatever this refuses, `request_validation` looks at again, and finds the words. So a decoder may refuse what is
allowed, but never allow what the validator refuses, or read another value. Keep out: messages.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from pmmds_core.contracts.contract import Contract, Feature, FeatureValue
from pmmds_core.contracts.request_validator import number_range

Row = tuple[FeatureValue, ...]

_REFUSED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class RowDecoder:
    """Decodes `{"features": {…}}` and `{"instances": [{…}, …]}` of one contract into rows in its order.

    A body passes when every feature is there with an allowed value, and nothing else is. JSON decoders take the last of
    two equal keys; here the number of quotation marks tells that there are two.
    """

    def __init__(self, contract: Contract) -> None:
        features = contract.features
        row = msgspec.defstruct(
            "Row",
            [(f"f{i}", _type_of(feature)) for i, feature in enumerate(features)],
            rename={f"f{i}": feature.name for i, feature in enumerate(features)},
            forbid_unknown_fields=True,
            gc=False,
        )
        one = msgspec.defstruct("One", [("features", row)], forbid_unknown_fields=True)
        many = msgspec.defstruct("Many", [("instances", list[row])], forbid_unknown_fields=True)  # type: ignore[valid-type]
        self._one: msgspec.json.Decoder[Any] = msgspec.json.Decoder(one)
        self._many: msgspec.json.Decoder[Any] = msgspec.json.Decoder(many)
        texts = [i for i, feature in enumerate(features) if not feature.is_numeric]
        self._may_be_null = tuple(i for i in texts if features[i].is_nullable)
        self._quotes = 2 * (len(features) + len(texts))

    def row(self, body: bytes) -> Row | None:
        """The row of `{"features": {…}}`, or None: then it is not as it should be, or this cannot tell."""
        try:
            decoded = self._one.decode(body)
        except _REFUSED:
            return None
        row: Row = msgspec.structs.astuple(decoded.features)
        return row if body.count(b'"') == 2 + self._quotes_of(row) else None

    def rows(self, body: bytes) -> Sequence[Row] | None:
        """The rows of `{"instances": [{…}, …]}`, or None as in `row`."""
        try:
            decoded = self._many.decode(body)
        except _REFUSED:
            return None
        rows: list[Row] = [msgspec.structs.astuple(r) for r in decoded.instances]
        return rows if body.count(b'"') == 2 + sum(map(self._quotes_of, rows)) else None

    def _quotes_of(self, row: Row) -> int:
        """How many quotation marks the row has when no key comes twice and no text needs an escape."""
        return self._quotes - 2 * sum(row[i] is None for i in self._may_be_null)


def _type_of(feature: Feature) -> Any:
    kind = _number_type(feature) if feature.is_numeric else Literal[feature.all_values]
    return kind | None if feature.is_nullable else kind


def _number_type(feature: Feature) -> Any:
    low, high = number_range(feature)
    if feature.type == "integer":
        return Annotated[int, Meta(ge=math.ceil(low), le=math.floor(high))]
    return Annotated[float, Meta(ge=low, le=high)]
