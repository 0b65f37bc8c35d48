"""Determines which columns of a Parquet file hold an unnamed pandas index, from the file's pandas metadata.

All readers use the same rule. A named index is treated like any other column, and an unnamed index
(`__index_level_0__`) is left out.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import msgspec

_UNNAMED = re.compile(r"__index_level_\d+__")
# The name that messages use for columns without a name.
WITHOUT_NAME = "(no name)"


def unnamed_index(names: Sequence[str], pandas_metadata: bytes | None) -> Collection[str]:
    """Return the columns among `names` that pandas wrote for an index without a name.

    The result is empty if the file has no pandas metadata.
    """
    if not pandas_metadata:
        return frozenset()
    try:
        index = msgspec.json.decode(pandas_metadata).get("index_columns", [])
    except (msgspec.DecodeError, AttributeError):
        return frozenset()
    stored = {name for name in index if isinstance(name, str)}
    return {name for name in names if name in stored and _UNNAMED.fullmatch(name)}
