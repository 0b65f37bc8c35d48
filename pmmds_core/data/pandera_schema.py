"""The pandera schema of a contract, and the check of a loaded frame against it.

Not here: reading files (reader.py) and expectations on the whole data set (expectations.py).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pmmds_core.contracts.contract import Contract, Feature

if TYPE_CHECKING:
    import pandas as pd
    import pandera.pandas as pa

N_EXAMPLES = 5


@dataclass(frozen=True)
class SchemaFailure:
    """A failed check of one column. `examples` has up to five failing values as text."""

    column: str
    check: str
    n_failures: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class SchemaCheck:
    """The result of a schema check. If the check passed, `failures` is empty."""

    passed: bool
    n_rows: int
    n_checks: int
    failures: tuple[SchemaFailure, ...]


def pandera_schema(contract: Contract, *, has_label: bool = True) -> pa.DataFrameSchema:
    """Return a schema that checks the order and types of the columns, allowed values, ranges and nulls.

    The schema does not coerce values.
    """
    import pandera.pandas as pa

    columns = {f.name: _column(f) for f in contract.features}
    if has_label:
        label = contract.label
        columns[label.name] = pa.Column("int64", pa.Check.isin([0, 1]), description=label.description)
    return pa.DataFrameSchema(columns, strict=True, ordered=True, name=contract.name, description=contract.description)


def check_frame(frame: pd.DataFrame, contract: Contract) -> SchemaCheck:
    """Check every column and report all failures together.

    Args:
        frame: a frame like SourceData.frame, with or without the label column.
        contract: the contract to check against.
    """
    from pandera.errors import SchemaErrors

    schema = pandera_schema(contract, has_label=contract.label.name in frame.columns)
    n_checks = sum(1 + len(column.checks) for column in schema.columns.values())
    try:
        with warnings.catch_warnings():
            # pandera concatenates its failure cases in a way that pandas 2 deprecates.
            warnings.filterwarnings("ignore", "The behavior of DataFrame concatenation", FutureWarning)
            schema.validate(frame, lazy=True)
    except SchemaErrors as errors:
        return SchemaCheck(False, len(frame), n_checks, _failures(errors.failure_cases))
    return SchemaCheck(True, len(frame), n_checks, ())


def _column(feature: Feature) -> pa.Column:
    import pandera.pandas as pa

    return pa.Column(
        pandas_dtype(feature), _checks(feature), nullable=feature.is_nullable, description=feature.description
    )


def pandas_dtype(feature: Feature) -> str:
    """Return the dtype of a feature in SourceData.frame. Nullable integers are float64 with NaN."""
    if feature.type == "string":
        return "object"
    return "int64" if feature.type == "integer" and not feature.is_nullable else "float64"


def _checks(feature: Feature) -> list[pa.Check]:
    import pandera.pandas as pa

    if not feature.is_numeric:
        return [pa.Check.isin(list(feature.all_values))]
    checks = []
    if feature.minimum is not None:
        checks.append(pa.Check.ge(feature.minimum))
    if feature.maximum is not None:
        checks.append(pa.Check.le(feature.maximum))
    if feature.type == "integer" and feature.is_nullable:
        checks.append(pa.Check(_is_whole, name="whole_numbers", error="whole_numbers"))
    return checks


def _is_whole(values: pd.Series[Any]) -> pd.Series[Any]:
    return values == values.round()


def _failures(cases: pd.DataFrame) -> tuple[SchemaFailure, ...]:
    # pandera reports a missing or extra column as a failure of the frame, with the column name as the failure case.
    is_whole = cases["schema_context"] == "DataFrameSchema"
    cases = cases.assign(column=cases["failure_case"].where(is_whole, cases["column"]).astype(str))
    groups = cases.groupby(["column", "check"], sort=False)
    return tuple(
        SchemaFailure(str(column), str(check), len(rows), _examples(rows["failure_case"].tolist()))
        for (column, check), rows in groups
    )


def _examples(values: Sequence[Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(str, values)))[:N_EXAMPLES]
