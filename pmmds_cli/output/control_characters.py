"""Escapes control characters, so that stored text cannot give commands to a terminal.

Not here: printing (console.py). This module imports no library, because messages of import errors need it.
"""

from __future__ import annotations

# Control characters (C0, DEL and C1) except the newline. Terminals interpret them as commands.
_CONTROLS = [c for c in (*range(0x20), *range(0x7F, 0xA0)) if c != ord("\n")]
_ESCAPES = {c: f"\\x{c:02x}" for c in _CONTROLS}
# The same for text inside JSON strings.
JSON_ESCAPES = {c: f"\\u{c:04x}" for c in _CONTROLS}


def plain(text: str) -> str:
    """Return the text with its control characters as escapes such as `\\x1b`, which terminals do not interpret."""
    return text.translate(_ESCAPES)
