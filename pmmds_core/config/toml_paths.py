"""Derives the table and the key of a setting in `pmmds.toml` from the name of the setting.

Add the first word of a new setting to `_TABLES` if the table's name differs from that word. Not here: reading the file
(config_file.py).
"""

from __future__ import annotations

from collections.abc import Iterable

# The empty name stands for the top of the file.
_TABLES = {
    "home": "",
    "contract": "",
    "data": "",
    "archive": "retention",
    "alert": "alerts",
    "webhook": "webhooks",
    "timestamp": "labels",
    "retrain": "retraining",
    "train": "training",
    "shadow": "promotion",
    "http": "service",
    "grpc": "service",
    "serving": "service",
    "admin": "service",
    "log": "logging",
    "otlp": "tracing",
    "schedules": "dagster",
    "celery": "dagster",
}


def toml_path(name: str) -> tuple[str, ...]:
    """Return the table and the key of a setting, or only the key if the setting is at the top of the file.

    The first word of the setting's name selects the table. If `_TABLES` has no entry for the word, the word is the name
    of the table. The key is the setting's name, without the first word if the table's name begins with that word. For
    example, `drift_psi_threshold` is `psi_threshold` in `[drift]`.
    """
    word, _, rest = name.partition("_")
    table = _TABLES.get(word, word)
    if not table:
        return (name,)
    return table, (rest if rest and table.startswith(word) else name)


def path_text(name: str) -> str:
    """Return the place of a setting as a single word, such as `drift.psi_threshold` or `home`."""
    return ".".join(toml_path(name))


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word whose spelling is closest to `word`, or an empty string if none is close."""
    from difflib import get_close_matches  # rarely needed

    return next(iter(get_close_matches(word, list(known), n=1, cutoff=0.6)), "")
