"""A number with its noun in the right form, for every message, table and page.

Not here: the formats of other numbers.
"""

from __future__ import annotations


def plural(n: int, singular: str, plural_form: str = "") -> str:
    """The noun for `n` of a thing, without the number. `plural_form`: default `singular` with an s."""
    return singular if n == 1 else plural_form or f"{singular}s"


def counted(n: int, singular: str, plural_form: str = "") -> str:
    """The number with its noun: `1 row`, `3,000 rows`, `0 rows`."""
    return f"{n:,} {plural(n, singular, plural_form)}"
