"""A fast path from the bytes of a request to a row, which decodes and validates a valid body in one pass.

request_validator.py handles rejected bodies and produces the messages. The decoder may therefore reject a valid body,
but must never accept an invalid one or read a different value. Not here: error messages.
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

_DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class RowDecoder:
    """A decoder that turns `{"features": {…}}` and `{"instances": [{…}, …]}` into rows in the contract's order.

    A body is accepted if it has every feature with an allowed value and nothing else. JSON decoders silently take the
    last of several duplicate keys, so duplicates are detected by counting quotation marks.
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
        """Return the row of `{"features": {…}}`, or None if the body is invalid or needs the validator."""
        try:
            decoded = self._one.decode(body)
        except _DECODE_ERRORS:
            return None
        row: Row = msgspec.structs.astuple(decoded.features)
        return row if body.count(b'"') == 2 + self._quotes_of(row) else None

    def rows(self, body: bytes) -> Sequence[Row] | None:
        """Return the rows of `{"instances": [{…}, …]}`, or None if the body is invalid or needs the validator."""
        try:
            decoded = self._many.decode(body)
        except _DECODE_ERRORS:
            return None
        rows: list[Row] = [msgspec.structs.astuple(r) for r in decoded.instances]
        return rows if body.count(b'"') == 2 + sum(map(self._quotes_of, rows)) else None

    def _quotes_of(self, row: Row) -> int:
        """Return the number of quotation marks in the row if the row has no duplicate keys and no escaped text."""
        return self._quotes - 2 * sum(row[i] is None for i in self._may_be_null)


def _type_of(feature: Feature) -> Any:
    kind = _number_type(feature) if feature.is_numeric else Literal[feature.all_values]
    return kind | None if feature.is_nullable else kind


def _number_type(feature: Feature) -> Any:
    low, high = number_range(feature)
    if feature.type == "integer":
        return Annotated[int, Meta(ge=math.ceil(low), le=math.floor(high))]
    return Annotated[float, Meta(ge=low, le=high)]
