"""Runs the Great Expectations suite of a contract on a frame and returns the results as JSON and as an HTML page.

The suite has expectations on whole columns and on the data set. It repeats the schema's checks of single values so
that the page is complete. Not here: reading rows (reader.py) and the schema (pandera_schema.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pmmds_core.contracts.contract import Contract, Feature
from pmmds_core.data.pandera_schema import pandas_dtype

if TYPE_CHECKING:
    import pandas as pd

MIN_ROWS = 50
# The minimum share of each class. With a smaller share, most classification metrics are noise.
MIN_CLASS_SHARE = 0.01
# The minimum share of rows in which a nullable feature has a value.
MIN_KNOWN_SHARE = 0.5
N_EXAMPLES = 5


@dataclass(frozen=True)
class ExpectationOutcome:
    """The result of one expectation, as text. `column` is empty if the expectation is about the whole table."""

    column: str
    expected: str
    passed: bool
    observed: str


@dataclass(frozen=True)
class SuiteResult:
    """The result of a suite.

    `document` is the JSON result of Great Expectations, and `html` is a self-contained page.
    """

    passed: bool
    n_expectations: int
    n_failed: int
    outcomes: tuple[ExpectationOutcome, ...]
    document: dict[str, Any]
    html: str


def run_suite(frame: pd.DataFrame, contract: Contract) -> SuiteResult:
    """Validate `frame` against the contract's suite.

    The frame is that of SourceData, with the label. The suite runs in an in-memory context, which writes no files and
    sends no analytics.
    """
    result = _validate(frame, contract)
    document = result.to_json_dict()
    outcomes = tuple(_outcome(entry) for entry in document["results"])
    n_failed = sum(not outcome.passed for outcome in outcomes)
    html = _page(contract, outcomes, len(frame))
    return SuiteResult(n_failed == 0, len(outcomes), n_failed, outcomes, document, html)


def build_suite(contract: Contract) -> Any:
    """Return the great_expectations.ExpectationSuite derived from the contract."""
    import great_expectations as gx

    expectations = [*_about_the_table(contract), *_about_the_label(contract)]
    for feature in contract.features:
        expectations += _about_a_feature(feature)
    return gx.ExpectationSuite(name=contract.name, expectations=expectations)


def _validate(frame: pd.DataFrame, contract: Contract) -> Any:
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    config = DataContextConfig(
        analytics_enabled=False,
        store_backend_defaults=InMemoryStoreBackendDefaults(),
        progress_bars=ProgressBarsConfig(globally=False),
    )
    context = gx.get_context(project_config=config, mode="ephemeral")
    asset = context.data_sources.add_pandas(contract.name).add_dataframe_asset("rows")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    return batch.validate(build_suite(contract))


def _expectation_types() -> Any:
    """Return the module that has the expectation classes. A type checker cannot follow the module's exports."""
    import great_expectations.expectations

    return great_expectations.expectations


def _about_the_table(contract: Contract) -> Iterator[Any]:
    gxe = _expectation_types()

    names = [*contract.feature_names, contract.label.name]
    yield gxe.ExpectTableColumnsToMatchOrderedList(
        column_list=names, description=f"the {len(names)} columns of the contract, in its order"
    )
    yield gxe.ExpectTableRowCountToBeBetween(min_value=MIN_ROWS, description=f"at least {MIN_ROWS} rows")


def _about_the_label(contract: Contract) -> Iterator[Any]:
    gxe = _expectation_types()

    name = contract.label.name
    yield gxe.ExpectColumnValuesToNotBeNull(column=name, description="never missing")
    yield gxe.ExpectColumnValuesToBeInSet(column=name, value_set=[0, 1], description="0 or 1")
    yield gxe.ExpectColumnMeanToBeBetween(
        column=name,
        min_value=MIN_CLASS_SHARE,
        max_value=1 - MIN_CLASS_SHARE,
        description=f"each class in at least {MIN_CLASS_SHARE:.0%} of the rows",
    )


def _about_a_feature(feature: Feature) -> Iterator[Any]:
    gxe = _expectation_types()

    name, dtype = feature.name, pandas_dtype(feature)
    if feature.is_nullable:
        description = f"not missing in at least {MIN_KNOWN_SHARE:.0%} of the rows"
        yield gxe.ExpectColumnValuesToNotBeNull(column=name, mostly=MIN_KNOWN_SHARE, description=description)
    else:
        yield gxe.ExpectColumnValuesToNotBeNull(column=name, description="never missing")
    type_name = "str" if dtype == "object" else dtype
    yield gxe.ExpectColumnValuesToBeOfType(column=name, type_=type_name, description=f"of type {type_name}")
    if not feature.is_numeric:
        description = "one of: " + ", ".join(feature.all_values)
        yield gxe.ExpectColumnValuesToBeInSet(column=name, value_set=list(feature.all_values), description=description)
    elif feature.minimum is not None or feature.maximum is not None:
        yield gxe.ExpectColumnValuesToBeBetween(
            column=name, min_value=feature.minimum, max_value=feature.maximum, description=_range_text(feature)
        )


def _range_text(feature: Feature) -> str:
    low = "" if feature.minimum is None else f"at least {feature.minimum:g}"
    high = "" if feature.maximum is None else f"at most {feature.maximum:g}"
    return f"{' and '.join(filter(None, (low, high)))} {feature.unit}".rstrip()


def _outcome(entry: Mapping[str, Any]) -> ExpectationOutcome:
    config = entry["expectation_config"]
    observed = _observed(entry["result"]) or _exception(entry.get("exception_info", {}))
    return ExpectationOutcome(
        column=str(config["kwargs"].get("column", "")),
        expected=str(config["description"]),
        passed=bool(entry["success"]),
        observed=observed,
    )


def _observed(result: Mapping[str, Any]) -> str:
    if "observed_value" in result:
        value = result["observed_value"]
        return f"{value:.6g}" if isinstance(value, float) else _shortened(value)
    count = result.get("unexpected_count")
    if count is None:
        return ""
    if count == 0:
        return f"all {result.get('element_count', 0):,} values"
    examples = ", ".join(dict.fromkeys(map(repr, result.get("partial_unexpected_list", []))))
    return f"{count:,} of {result['element_count']:,} values do not" + (f": {_shortened(examples)}" if examples else "")


def _shortened(value: Any, at_most: int = 120) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= at_most else text[:at_most] + " …"


def _exception(info: Mapping[str, Any]) -> str:
    """Return the first error of an expectation, such as a missing column.

    Great Expectations reports the errors separately for each metric.
    """
    nested = [i for i in info.values() if isinstance(i, Mapping)] or [info]
    messages = [str(i["exception_message"]) for i in nested if i.get("exception_message")]
    return f"not evaluated: {_shortened(messages[0])}" if messages else ""


def _page(contract: Contract, outcomes: tuple[ExpectationOutcome, ...], n_rows: int) -> str:
    from pmmds_core.runtime.html_templates import html_environment

    template = html_environment("pmmds_core.data").get_template("expectations.html")
    n_failed = sum(not outcome.passed for outcome in outcomes)
    return template.render(contract=contract, outcomes=outcomes, n_rows=n_rows, n_failed=n_failed)
