"""Lists the differences between two contracts and how `pmmds db migrate` handles them, without using a database.

The rules for columns are defined in stores/database/schema.py. Not here: applying the changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from pmmds_core.contracts.contract import Blank, Contract, Feature


class Effect(StrEnum):
    """The effect of a change.

    - `migrated`: `pmmds db migrate` adds a column.
    - `refused`: `pmmds db migrate` rejects the change if prediction_logs has rows.
    - `retrain`: no migration is needed, but a new model is.
    - `none`: neither is needed, because the tables and the model do not depend on it.
    """

    MIGRATED = "migrated"
    REFUSED = "refused"
    RETRAIN = "retrain"
    NONE = "none"


@dataclass(frozen=True)
class ContractChange:
    """A difference between two contracts. `subject` is the feature or the field that differs."""

    subject: str
    change: str
    effect: Effect


def contract_changes(old: Contract, new: Contract) -> list[ContractChange]:
    """Return the differences between the contracts `old` and `new`.

    Removed features come first, followed by changed features, new features and the fields of the contract.
    """
    return [*_removed(old, new), *_kept(old, new), *_added(old, new), *_fields(old, new)]


def _removed(old: Contract, new: Contract) -> Iterator[ContractChange]:
    for name in old.feature_names:
        if name not in new.by_name:
            yield ContractChange(name, "removed; its logged values would be lost", Effect.REFUSED)


def _added(old: Contract, new: Contract) -> Iterator[ContractChange]:
    for feature in new.features:
        if feature.name not in old.by_name:
            change = f"new {feature.type} column in prediction_logs; older rows have no value"
            yield ContractChange(feature.name, change, Effect.MIGRATED)


def _kept(old: Contract, new: Contract) -> Iterator[ContractChange]:
    for feature in new.features:
        before = old.by_name.get(feature.name)
        if before is None:
            continue
        if before.type != feature.type:
            change = f"type {before.type} → {feature.type}; the logged values would be lost"
            yield ContractChange(feature.name, change, Effect.REFUSED)
        for field in ("kind", "source", "values", "also_accepted", "minimum", "maximum", "blank", "n_bins"):
            if getattr(before, field) != getattr(feature, field):
                yield ContractChange(feature.name, _change_text(before, feature, field), Effect.RETRAIN)
        for field in ("unit", "description", "example"):
            if getattr(before, field) != getattr(feature, field):
                yield ContractChange(feature.name, f"{field} changed", Effect.NONE)


def _change_text(before: Feature, after: Feature, field: str) -> str:
    old, new = getattr(before, field), getattr(after, field)
    if field in {"values", "also_accepted"}:
        parts = [f"+{value!r}" for value in new if value not in old] + [
            f"-{value!r}" for value in old if value not in new
        ]
        more = f" and {len(parts) - 6} more" if len(parts) > 6 else ""
        return f"{field} {', '.join(parts[:6])}{more}" if parts else f"{field} in another order"
    return f"{field} {_text(old)} → {_text(new)}"


def _text(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:.15g}"
    if isinstance(value, Blank):
        words = f" (written as {', '.join(map(repr, value.written_as))})" if value.written_as else ""
        return f"{value.means!r}{words}"
    return repr(value)


def _fields(old: Contract, new: Contract) -> Iterator[ContractChange]:
    if old.name != new.name or old.model_name != new.model_name:
        change = f"{old.name}, {old.model_name} → {new.name}, {new.model_name}; a different registered model"
        yield ContractChange("name, model_name", change, Effect.RETRAIN)
    for field in ("source", "positive", "negative", "name"):
        before, after = getattr(old.label, field), getattr(new.label, field)
        if before != after:
            yield ContractChange(f"label.{field}", f"{before!r} → {after!r}", Effect.RETRAIN)
    documented = {"label.description": (old.label.description, new.label.description)}
    documented |= {name: (getattr(old, name), getattr(new, name)) for name in ("description", "openml")}
    for subject, (before, after) in documented.items():
        if before != after:
            yield ContractChange(subject, f"{subject.rpartition('.')[2]} changed", Effect.NONE)
    if old.row_id != new.row_id:
        yield ContractChange("row_id", f"{_text(old.row_id or None)} → {_text(new.row_id or None)}", Effect.NONE)
    if [n for n in old.feature_names if n in new.by_name] != [n for n in new.feature_names if n in old.by_name]:
        yield ContractChange("features", "in another order", Effect.RETRAIN)
