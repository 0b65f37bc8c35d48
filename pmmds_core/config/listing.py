"""Every setting with its value, default and description, for `pmmds config`.

Not here: reading settings (settings.py).
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from pmmds_core.config.secret_files import SECRETS, SUFFIX
from pmmds_core.config.settings import Settings, load_settings, source_of, variable_name
from pmmds_core.config.values import masked, metas


class SettingInfo(msgspec.Struct, frozen=True):
    """One row of `pmmds config`."""

    variable: str
    value: str
    default: str
    description: str
    is_set: bool


def describe(environment: Mapping[str, str] | None = None) -> list[SettingInfo]:
    """Every setting with its value, default and description, in the order of `Settings`; secrets are masked."""
    source = source_of(environment)
    settings = load_settings(source)
    rows = []
    for field in msgspec.structs.fields(Settings):
        meta = [m for m in metas(field.type) if m.description]
        value = str(getattr(settings, field.name))
        rows.append(
            SettingInfo(
                variable=variable_name(field.name),
                value=masked(field.name, value),
                default=str(field.default),
                description=str(meta[-1].description),
                is_set=_is_set(field.name, source),
            )
        )
    return rows


def _is_set(name: str, source: Mapping[str, str]) -> bool:
    variable = variable_name(name)
    return bool(source.get(variable) or (name in SECRETS and source.get(variable + SUFFIX)))
