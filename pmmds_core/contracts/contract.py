"""The contract: the features and the label of a model. Schemas, validators and tables are derived from these types.

Not here: pandas, validators and schemas, which are derived from a `Contract` (request_validator.py,
json_schema.py, data/pandera_schema.py).
"""

from __future__ import annotations

import hashlib
import re
from functools import cached_property, lru_cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from pmmds_core.contracts.checks import MISSING, first_problem
from pmmds_core.contracts.type_errors import explain
from pmmds_core.contracts.yaml_lines import LinedDocument, read_lined
from pmmds_core.errors import ContractError

Kind = Literal["numeric", "categorical"]
FeatureValue = float | int | str | None

Name = Annotated[
    str,
    Meta(
        pattern=r"^[a-z][a-z0-9_]{0,47}$",
        description="a name of lower-case letters, digits and _, starting with a letter, at most 48 characters",
    ),
]
ModelName = Annotated[
    str,
    Meta(
        pattern=r"^[a-z][a-z0-9-]{0,62}$",
        description="a name of lower-case letters, digits and -, starting with a letter, at most 63 characters",
    ),
]
Text = Annotated[str, Meta(min_length=1)]
PACKAGED = "telco_churn.yaml"


class Blank(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The meaning of an empty cell in the source file.

    The meaning is either a value or `missing`, which makes the feature nullable. `written_as` has other texts that mean
    an empty cell, such as NA.
    """

    means: str
    written_as: tuple[str, ...] = ()

    @property
    def is_missing(self) -> bool:
        return self.means == MISSING


class Feature(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One input column.

    `values` has the allowed values of a categorical feature, in order, and `also_accepted` has further valid values.
    `minimum` and `maximum` are inclusive and in units of `unit`.
    """

    name: Name
    source: Text
    kind: Kind
    type: Literal["integer", "float", "string"]
    description: str
    example: str
    unit: str = ""
    values: tuple[str, ...] = ()
    also_accepted: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    blank: Blank | None = None
    n_bins: Annotated[int, Meta(ge=2, le=50)] = 10

    @property
    def is_numeric(self) -> bool:
        return self.kind == "numeric"

    @property
    def is_nullable(self) -> bool:
        return self.blank is not None and self.blank.is_missing

    @property
    def all_values(self) -> tuple[str, ...]:
        return self.values + self.also_accepted

    @property
    def typed_example(self) -> FeatureValue:
        return self.typed(self.example)

    @property
    def blank_value(self) -> FeatureValue:
        """The typed value of an empty cell, or None if an empty cell means missing or is not allowed."""
        return None if self.blank is None or self.blank.is_missing else self.typed(self.blank.means)

    def typed(self, text: str) -> FeatureValue:
        """Convert `text` to the type of this feature.

        Raises ValueError if the feature is numeric and the text is not a number.
        """
        if self.type == "integer":
            return int(text)
        return float(text) if self.type == "float" else text


class Label(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The label column. `positive` is the value for class 1, and `negative` is the value for class 0."""

    name: Name
    source: Text
    positive: Text
    negative: Text
    description: str = ""


class OpenML(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The OpenML data set that `pmmds data download` fetches.

    `content_sha256` is the expected `data.digests.unordered_digest` of the normalized rows. If it is empty, the digest
    is not checked.
    """

    name: Text
    version: int | Literal["active"] = "active"
    content_sha256: str = ""


class Contract(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, dict=True):
    """A complete contract. All tables, messages and vectors use the order of `features`."""

    name: Name
    model_name: ModelName
    description: str
    label: Label
    features: Annotated[tuple[Feature, ...], Meta(min_length=1)]
    primary_metric: Literal["roc_auc"] = "roc_auc"
    row_id: str = ""
    openml: OpenML | None = None

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        return tuple(f.name for f in self.features)

    @cached_property
    def numeric_names(self) -> tuple[str, ...]:
        return tuple(f.name for f in self.features if f.is_numeric)

    @cached_property
    def categorical_names(self) -> tuple[str, ...]:
        return tuple(f.name for f in self.features if not f.is_numeric)

    @cached_property
    def by_name(self) -> dict[str, Feature]:
        return {f.name: f for f in self.features}

    @cached_property
    def digest(self) -> str:
        """The sha256 of the contract's content, which does not depend on comments and layout."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()

    @cached_property
    def is_packaged(self) -> bool:
        """True for the packaged Telco contract, which comes with a synthetic sample."""
        return self.digest == load_contract("").digest

    def example(self) -> dict[str, FeatureValue]:
        """Return one valid row with typed values."""
        return {f.name: f.typed_example for f in self.features}


def load_contract(path: str | Path) -> Contract:
    """Load a contract file, or the packaged Telco contract if `path` is empty.

    Raises:
        ContractError: the contract is not valid. The message names the file, line and field, and the expected value.
    """
    if not str(path):
        text = resources.files("pmmds_core.contracts").joinpath(PACKAGED).read_text(encoding="utf-8")
        return parse_contract(text, PACKAGED)
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ContractError(
            f"The contract {path} cannot be read: {reason}.",
            next_step="Specify a readable YAML file. Without PMMDS_CONTRACT, the packaged contract is used.",
        ) from None
    return parse_contract(text, str(path))


@lru_cache(maxsize=8)
def parse_contract(text: str, name: str) -> Contract:
    """Parse YAML text and return the contract, which is the same object for equal texts. Raises ContractError.

    `name` is the file name used in messages.
    """
    document = read_lined(text, name)
    try:
        contract = msgspec.convert(document.data, Contract, strict=False)
    except msgspec.ValidationError as error:
        raise _error(document, name, *explain(error, Contract, document.data)) from None
    problem = first_problem(contract)
    if problem:
        raise _error(document, name, *problem)
    return contract


def _error(document: LinedDocument, name: str, path: str, message: str) -> ContractError:
    field = path.removeprefix("$").removeprefix(".") or "the contract"
    owner = _feature_name(document, path)
    return ContractError(
        f"{name}, line {document.line_of(path)}: {field}{owner}: {message}.",
        next_step="Fix the contract as described in docs/contract.md.",
    )


def _feature_name(document: LinedDocument, path: str) -> str:
    match = re.match(r"\$\.features\[(\d+)\]", path)
    if not match or not isinstance(document.data, dict):
        return ""
    feature = document.data["features"][int(match.group(1))]
    return f" (feature {feature['name']!r})" if isinstance(feature, dict) and feature.get("name") else ""
