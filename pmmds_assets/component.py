"""The loop as a Dagster component, for `defs.yaml`.

Not here: the definitions (loop_definitions.py).
"""

from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from pmmds_assets.loop_definitions import build_defs
from pmmds_assets.parts import PARTS
from pmmds_core.config.settings import setting_types
from pmmds_core.config.toml_values import with_absolute_path


class PmmdsLoopComponent(dg.Component, dg.Model, dg.Resolvable):
    """A component that monitors, retrains and promotes one model, with the project's own keys, groups and schedules."""

    key_prefix: str = Field(
        default="", description="The first part of every asset key and name. Slashes separate several parts"
    )
    group_name: str = Field(default="", description="The group of all assets. If empty, PMMDS's own groups are used")
    parts: list[str] = Field(default=list(PARTS), description="The parts of the loop to include")
    schedules: bool | dict[str, bool | str] = Field(
        default=True, description="False for no schedules, or a cron expression in UTC, true or false for each part"
    )
    upstream: list[str] = Field(default=[], description="Keys of the project's assets that write the reference data")
    settings: dict[str, str | int | float | bool | list[str]] = Field(
        default={}, description="PMMDS settings, indexed by name. Paths are relative to the project's root"
    )

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Return the loop's definitions. Raises SettingError if an attribute or a setting is not valid."""
        return build_defs(
            key_prefix=self.key_prefix,
            group_name=self.group_name,
            parts=self.parts,
            schedules=self.schedules,
            upstream=self.upstream,
            settings=_in_project(self.settings, context.project_root) if self.settings else None,
        )


def _in_project(settings: dict[str, Any], root: Path) -> dict[str, Any]:
    """Make relative paths absolute."""
    types = setting_types()
    return {
        name: with_absolute_path(value, types.get(name, str), root, is_path=name == "config")
        for name, value in settings.items()
    }
