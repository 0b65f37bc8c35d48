"""Formats a number with its noun in the singular or plural, for all messages. Not here: formats of other numbers."""

from __future__ import annotations


def plural(n: int, singular: str, plural_form: str = "") -> str:
    """Return the singular or plural noun for `n`, without the number.

    By default, `plural_form` is `singular` plus an s.
    """
    return singular if n == 1 else plural_form or f"{singular}s"


def counted(n: int, singular: str, plural_form: str = "") -> str:
    """Return the number with its noun: `1 row`, `3,000 rows`, `0 rows`."""
    return f"{n:,} {plural(n, singular, plural_form)}"
