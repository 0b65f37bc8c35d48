"""Finds the line numbers of keys and tables in TOML text for messages, because tomllib does not report them.

Not here: parsing the text (config_file.py).
"""

from __future__ import annotations

import re

_TABLE = re.compile(r"\s*\[+([^\[\]=]+)\]+\s*(#.*)?$")
_KEY = re.compile(r"\s*([^#=\[\]{}]+?)\s*=")


class KeyLines:
    """The line of each key and table of a valid TOML text.

    A key in an inline table has the line of the inline table.
    """

    def __init__(self, text: str) -> None:
        self._lines: dict[tuple[str, ...], int] = {}
        table: tuple[str, ...] = ()
        for number, line in enumerate(text.split("\n"), start=1):
            if header := _TABLE.match(line):
                table = _parts(header[1])
                self._add(table, number)
            elif key := _KEY.match(line):
                self._add(table + _parts(key[1]), number)

    def _add(self, path: tuple[str, ...], number: int) -> None:
        for length in range(1, len(path) + 1):
            self._lines.setdefault(path[:length], number)

    def line(self, path: tuple[str, ...]) -> int:
        """Return the line, counted from 1, of the longest prefix of `path` whose line is known."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._lines:
                return self._lines[path[:length]]
        return 1


def _parts(key: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in key.split("."))
