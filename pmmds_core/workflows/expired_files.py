"""Finds and removes expired files in the home directory: pages, validation results, cached bundles.

Not here: database rows (stores/lifecycle/expired_rows.py), data sets and model versions (retention.py).
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Collection, Iterable
from datetime import datetime
from pathlib import Path

# The suffix of a folder while it is being removed.
_REMOVED = ".removed"


def n_bytes_of(path: Path) -> int:
    """Return the size of a file, or the total size of all files in a folder.

    The result is 0 if the path does not exist.
    """
    if path.is_dir():
        return sum(n_bytes_of(child) for child in path.iterdir())
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return 0


def old_pages(folder: Path, before: datetime, keep: Collection[str]) -> list[Path]:
    """Return HTML pages that were last written before `before`.

    Pages in `keep` and the newest page of each kind are not returned. The kind of a page is its name up to the
    timestamp: `drift-20260301T120000000000.html` has the kind `drift`.
    """
    pages = sorted(folder.glob("*.html"), key=lambda path: path.name) if folder.is_dir() else []
    newest = {page.name.rpartition("-")[0]: page for page in pages}
    kept = {*keep, *(str(page) for page in newest.values())}
    return [page for page in pages if str(page) not in kept and _changed(page) < before.timestamp()]


def old_folders(folder: Path, before: datetime, keep: Collection[str] = ()) -> list[Path]:
    """Return folders in which no file has been written since `before`.

    Folders named in `keep` and the newest folder are not returned. The remains of an interrupted removal are always
    returned.
    """
    folders = [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    remains = [path for path in folders if path.name.endswith(_REMOVED)]
    live = sorted((path for path in folders if path not in remains), key=_changed)
    return [*remains, *(path for path in live[:-1] if path.name not in keep and _changed(path) < before.timestamp())]


def remove(paths: Iterable[Path]) -> None:
    """Remove files and folders. Missing files are ignored. Raises OSError."""
    for path in paths:
        if not path.is_dir():
            path.unlink(missing_ok=True)
        elif path.name.endswith(_REMOVED):
            shutil.rmtree(path)
        else:
            # Rename first, so that a process killed here leaves no incomplete folder under the original name.
            shutil.rmtree(path.rename(path.with_name(f".{path.name}.{secrets.token_hex(4)}{_REMOVED}")))


def _changed(path: Path) -> float:
    """Return the time of the last write to a file, or to any file in a folder, in seconds since 1970."""
    if path.is_dir():
        return max((_changed(child) for child in path.iterdir()), default=path.stat().st_mtime)
    return path.stat().st_mtime
