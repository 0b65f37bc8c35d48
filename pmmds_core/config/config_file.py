"""Reads `pmmds.toml`: settings grouped by theme and checked against their definitions.

Not here: finding the file (find_config.py), the table and key of a setting (toml_paths.py), variables (settings.py).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from pmmds_core.config.secret_files import SECRETS, secret_in
from pmmds_core.config.toml_lines import KeyLines
from pmmds_core.config.toml_paths import nearest, toml_path
from pmmds_core.config.toml_values import expected_form, native, with_absolute_path
from pmmds_core.config.values import HIDDEN, converted, has_password, without_password
from pmmds_core.errors import SettingError

_LOG = logging.getLogger(__name__)
_WARNED: set[Path] = set()
_MAX_SHOWN = 100
_FILE_KEY = "_file"
_READABLE_BY_OTHERS = 0o044
_LINE = re.compile(r" \(at line (\d+), column \d+\)$")


class FileValue(msgspec.Struct, frozen=True):
    """The value of a setting and its place in the file, as `FILE:LINE`."""

    value: Any
    origin: str


class ConfigFile:
    """The settings in one `pmmds.toml`.

    Raises:
        SettingError: the file cannot be read or is not TOML, or a table, a key or a value is not valid. The message
            names the line.
    """

    def __init__(self, path: Path, kinds: Mapping[str, Any]) -> None:
        """Read the settings file. `kinds` maps the name of each setting to its type."""
        self.path = path
        self._kinds = kinds
        text = _text(path)
        self._lines = KeyLines(text)
        names = {toml_path(name): name for name in kinds}
        names |= {(*place[:-1], place[-1] + _FILE_KEY): n + _FILE_KEY for place, n in names.items() if n in SECRETS}
        self._names = names
        self._values = {
            names[place]: self._checked(place, value) for place, value in self._entries(_parsed(path, text))
        }

    def get(self, name: str) -> FileValue | None:
        """Return the value of a setting, or None if the setting is not set.

        The value of a secret may also be in the file that the setting's `_file` key names.

        Raises:
            SettingError: the file of a secret cannot be used.
        """
        given = self._values.get(name)
        if (given is None or given.value == "") and (named := self._values.get(name + _FILE_KEY)):
            given = FileValue(secret_in(name, named.origin, named.value), named.origin)
        return None if given is None or given.value == "" else given

    @property
    def exposed_secrets(self) -> tuple[str, ...]:
        """The secrets, as `table.key`, that are in the file and that other users of this machine can read."""
        if not self.path.stat().st_mode & _READABLE_BY_OTHERS:
            return ()
        places = {name: ".".join(place) for place, name in self._names.items()}
        return tuple(places[name] for name, given in self._values.items() if _is_secret(name, str(given.value)))

    def _entries(self, document: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
        """Yield the place and the value of every key. Raises SettingError for an unknown table or key."""
        tables = {place[0] for place in self._names if len(place) > 1}
        for key, value in document.items():
            if key in tables and isinstance(value, dict):
                for inner, inner_value in value.items():
                    yield self._known((key, inner)), inner_value
            elif key in tables:
                self._reject((key,), f"{key} must be one table", f"Write [{key}] once, followed by its keys.")
            else:
                yield self._known((key,)), value

    def _known(self, place: tuple[str, ...]) -> tuple[str, ...]:
        """Return the place of a setting.

        Raises SettingError, which suggests the nearest known name, for an unknown place.
        """
        if place not in self._names:
            self._reject_unknown(place)
        return place

    def _reject_unknown(self, place: tuple[str, ...]) -> NoReturn:
        near = self._nearest(place)
        advice = f"Did you mean {near}? " if near else ""
        what = f"[{place[0]}] has no key {place[1]!r}" if len(place) > 1 else f"there is no table or key {place[0]!r}"
        self._reject(place, what, f"{advice}`pmmds config` lists all tables and keys.")

    def _nearest(self, place: tuple[str, ...]) -> str:
        """Return a suggestion for an unknown place.

        The suggestion is the nearest key of the table, if there is one. Otherwise, it is the same key or the nearest
        key of any table, or else the nearest table.
        """
        known = {".".join(p): p for p in self._names}
        same_table = {p[-1]: text for text, p in known.items() if p[:-1] == place[:-1]}
        if near := nearest(place[-1], same_table):
            return same_table[near]
        if len(place) == 1 and (table := nearest(place[0], {p[0] for p in self._names if len(p) > 1})):
            return f"[{table}]"
        anywhere = {p[-1]: text for text, p in known.items()} | {name: ".".join(p) for p, name in self._names.items()}
        near = nearest(place[-1], anywhere)
        return anywhere[near] if near else ""

    def _checked(self, place: tuple[str, ...], value: Any) -> FileValue:
        """Convert the value at a known place to the type of its setting.

        Raises SettingError if the value is not allowed.
        """
        kind = self._kinds.get(self._names[place], str)
        try:
            setting = converted(native(value, kind), kind, strict=True)
        except msgspec.ValidationError as error:
            shown = "" if self._names[place] in SECRETS else f" = {_shown(value)}"
            self._reject(
                place,
                f"{'.'.join(place)}{shown} is not valid: {expected_form(kind, str(error))}",
                "Correct the value, or delete the line to use the default.",
            )
        is_file = self._names[place] not in self._kinds
        return FileValue(with_absolute_path(setting, kind, self.path.parent, is_path=is_file), self._origin(place))

    def _origin(self, place: tuple[str, ...]) -> str:
        return f"{self.path}:{self._lines.line(place)}"

    def _reject(self, place: tuple[str, ...], what: str, next_step: str) -> NoReturn:
        raise SettingError(f"{self._origin(place)}: {what}.", next_step=next_step)


def warn_of_exposed_secrets(file: ConfigFile) -> None:
    """Log a warning, once per process, if other users can read the secrets in the file."""
    if file.path in _WARNED or not (exposed := file.exposed_secrets):
        return
    _WARNED.add(file.path)
    _LOG.warning(
        "Warning: %s contains %s, and other users of this machine can read it. "
        "Run `chmod 600 %s`, or move the secret to a separate file and set %s%s to its path.",
        file.path,
        ", ".join(exposed),
        file.path,
        exposed[0],
        _FILE_KEY,
    )


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        raise SettingError(
            f"{path} cannot be read: {error.strerror}.",
            next_step="Make the file readable, or set PMMDS_CONFIG to another file.",
        ) from None
    except UnicodeDecodeError:
        raise SettingError(f"{path} is not UTF-8 text.", next_step="Save it as UTF-8.") from None


def _parsed(path: Path, text: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        reason = str(error)
        line = found[1] if (found := _LINE.search(reason)) else str(text.count("\n") + 1)
        reason = _LINE.sub("", reason).removesuffix(" (at end of document)")
        raise SettingError(
            f"{path}:{line}: not valid TOML: {reason[:1].lower()}{reason[1:]}.",
            next_step='Write each setting as `key = value`, with text in quotes, such as level = "info".',
        ) from None


def _shown(value: Any) -> str:
    """Return the value as it would be written in a TOML file, but shortened and without passwords."""
    text = repr(without_password(value)) if isinstance(value, str) else str(value)
    text = text.lower() if isinstance(value, bool) else text
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"


def _is_secret(name: str, value: str) -> bool:
    """Return True if the value is a token, a list of notification URLs or a URL with a password."""
    return bool(value) and (name in HIDDEN or has_password(value))
