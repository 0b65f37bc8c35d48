"""Determines which columns of a Parquet file hold an unnamed pandas index, from the file's pandas metadata.

All readers use the same rule: a named index is a column like any other; an unnamed one (`__index_level_0__`) is
left out.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import msgspec

_UNNAMED = re.compile(r"__index_level_\d+__")
# The name for unnamed columns in messages.
WITHOUT_NAME = "(no name)"


def unnamed_index(names: Sequence[str], pandas_metadata: bytes | None) -> Collection[str]:
    """The columns among `names` that pandas wrote for an index without a name; empty without metadata."""
    if not pandas_metadata:
        return frozenset()
    try:
        index = msgspec.json.decode(pandas_metadata).get("index_columns", [])
    except (msgspec.DecodeError, AttributeError):
        return frozenset()
    stored = {name for name in index if isinstance(name, str)}
    return {name for name in names if name in stored and _UNNAMED.fullmatch(name)}
