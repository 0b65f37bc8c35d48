"""The page of all settings, by table of `pmmds.toml`."""

from __future__ import annotations

from itertools import groupby

from pmmds_core.config.listing import SettingInfo, describe
from pmmds_tests.harness.docs_site.reference.markdown import code, page, table

_HEADER = ("variable", "key in `pmmds.toml`", "default", "meaning")


def settings_page() -> str:
    rows = sorted(describe({}), key=group)
    sections = [f"## {name}\n\n{section(list(found))}" for name, found in groupby(rows, key=group)]
    return page("All settings", "the class `Settings`", *sections)


def group(row: SettingInfo) -> str:
    """The table of `pmmds.toml` that contains the setting."""
    return row.path.partition(".")[0] if "." in row.path else "Top level"


def section(rows: list[SettingInfo]) -> str:
    return table(_HEADER, ((code(r.variable), code(r.path), code(r.default) or "none", r.description) for r in rows))
