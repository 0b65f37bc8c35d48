"""Lists every setting with its value, origin, place in `pmmds.toml` and description, for `pmmds config`.

Not here: reading settings (settings.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from pmmds_core.config.given import DEFAULT, Given, variable_name
from pmmds_core.config.settings import Settings, given_values
from pmmds_core.config.toml_paths import nearest, path_text
from pmmds_core.config.values import masked, metas
from pmmds_core.errors import UsageError


class SettingInfo(msgspec.Struct, frozen=True):
    """One row of `pmmds config`.

    `path` is `table.key` in pmmds.toml, and `origin` says where the value comes from.
    """

    variable: str
    path: str
    value: str
    default: str
    description: str
    is_set: bool
    origin: str


def describe(environment: Mapping[str, str] | None = None) -> list[SettingInfo]:
    """Return all settings in the order of `Settings`, with the secrets masked.

    The arguments and errors are those of `load_settings`.
    """
    given = given_values(environment)
    settings = Settings(**{name: g.value for name, g in given.items()})
    rows = []
    for field in msgspec.structs.fields(Settings):
        meta = [m for m in metas(field.type) if m.description]
        origin = given.get(field.name, Given(None, DEFAULT)).origin
        rows.append(
            SettingInfo(
                variable=variable_name(field.name),
                path=path_text(field.name),
                value=masked(field.name, str(getattr(settings, field.name))),
                default=str(field.default),
                description=str(meta[-1].description),
                is_set=origin != DEFAULT,
                origin=origin,
            )
        )
    return rows


def find_setting(rows: Sequence[SettingInfo], key: str) -> SettingInfo:
    """Return the row of a setting, which is found by its variable or by its place in pmmds.toml.

    Raises:
        UsageError: there is no such setting. The message suggests the nearest name.
    """
    by_key = {r.path: r for r in rows} | {r.variable: r for r in rows}
    if key in by_key:
        return by_key[key]
    near = nearest(key, by_key)
    advice = f"Did you mean {near}? " if near else ""
    raise UsageError(f"There is no setting {key!r}.", next_step=f"{advice}`pmmds config` lists all settings.")
