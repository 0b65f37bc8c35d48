"""Rows and documents of the stores as resources of the API.

Not here: the resources (pmmds/resources.py), reading the rows (pmmds_core/stores/).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any, TypeVar

import msgspec

from pmmds.resources import DailyPerformance, MetricValue, Prediction

T = TypeVar("T")
Row = Mapping[str, Any]
_INTERVAL = ("_low", "_high")
_NOT_METRICS = frozenset({"is_valid", "reasons"})


def resource(kind: type[T], row: Row, **more: Any) -> T:
    """A resource from the columns of the same names; other columns are left out."""
    return msgspec.convert({**row, **more}, kind)


def daily_performance(row: Row) -> DailyPerformance:
    """One day's stored document, with every metric as a row."""
    document = row["document"]
    estimated = document.get("estimated") or {}
    return DailyPerformance(
        model_version=row["model_version"],
        day=row["day"].date(),
        n_rows=row["n_rows"],
        n_labelled=row["n_labelled"],
        verdict=document["verdict"],
        reason=document["reason"],
        metrics=[*_realized(document.get("realized") or {}), *_estimated(estimated)],
        estimate_problems=list(estimated.get("reasons", ())),
        computed_at=row["computed_at"],
    )


def _realized(metrics: Mapping[str, Row]) -> Iterator[MetricValue]:
    for name, measured in metrics.items():
        low, high = measured.get("low"), measured.get("high")
        yield MetricValue(metric=name, source="realized", value=measured["value"], low=low, high=high, is_valid=True)


def _estimated(estimated: Row) -> Iterator[MetricValue]:
    for name, value in estimated.items():
        if name in _NOT_METRICS or name.endswith(_INTERVAL) or value is None:
            continue
        low, high = (estimated.get(f"{name}{end}") for end in _INTERVAL)
        is_valid = bool(estimated.get("is_valid"))
        yield MetricValue(metric=name, source="estimated", value=value, low=low, high=high, is_valid=is_valid)


def prediction(document: Mapping[str, Any], home: Path) -> Prediction:
    """A lineage (`workflows.lineage.trace`) without paths of the server."""
    shown = {**document, "notes": [note.replace(str(home), "PMMDS_HOME") for note in document["notes"]]}
    if shown["training_data"] is not None:
        shown["training_data"] = _training_data(shown["training_data"])
    if shown["validation"] is not None:
        shown["validation"] = {k: v for k, v in shown["validation"].items() if k != "folder"}
    return msgspec.convert(msgspec.to_builtins(shown, builtin_types=()), Prediction)


def _training_data(training: Row) -> dict[str, Any]:
    kept = {k: v for k, v in training.items() if k != "path"}
    details = {k: v for k, v in training["details"].items() if not k.endswith(("_folder", "_path", "path"))}
    source = str(training["source"])
    return {**kept, "details": details, "source": PurePath(source).name if "://" not in source else source}
