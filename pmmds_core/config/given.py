"""Finds each setting's value in an environment variable, in the file to which a variable points, or in `pmmds.toml`.

Not here: the settings (settings.py), reading the file (config_file.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from pmmds_core.config.config_file import ConfigFile
from pmmds_core.config.secret_files import SUFFIX, raw_value
from pmmds_core.config.values import parse

PREFIX = "PMMDS_"
DEFAULT = "default"


class Given(msgspec.Struct, frozen=True):
    """The value of a setting.

    `origin` says where the value comes from: the name of a variable, `FILE:LINE`, the path of a file, or `default`.
    """

    value: Any
    origin: str


def variable_name(field: str) -> str:
    return PREFIX + field.upper()


def read_given(types: Mapping[str, Any], source: Mapping[str, str], file: ConfigFile | None) -> dict[str, Given]:
    """Read the settings that are set by a non-empty variable or, failing that, in the file.

    Raises:
        SettingError: a value is not valid, or the file of a secret cannot be read.
    """
    given: dict[str, Given] = {}
    for name, kind in types.items():
        variable = variable_name(name)
        raw = raw_value(name, variable, source)
        if raw != "":
            origin = variable if source.get(variable) else variable + SUFFIX
            given[name] = Given(parse(variable, raw, kind), origin)
        elif file is not None and (in_file := file.get(name)):
            given[name] = Given(in_file.value, in_file.origin)
    return given
