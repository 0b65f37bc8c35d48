"""Files of the home that are older than their retention period: pages, validation results, cached bundles.

Keep out: rows (stores/lifecycle/expired_rows.py), data sets and model versions (expiry.py).
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Collection, Iterable
from datetime import datetime
from pathlib import Path

# Ends the name of a folder that is being removed.
_REMOVED = ".removed"


def n_bytes_of(path: Path) -> int:
    """The size of a file, or of all files in a folder; 0 when it is gone."""
    if path.is_dir():
        return sum(n_bytes_of(child) for child in path.iterdir())
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return 0


def old_pages(folder: Path, before: datetime, keep: Collection[str]) -> list[Path]:
    """HTML pages last written before an instant, but for those of `keep` and the newest of each kind.

    A page's kind is its name up to the time in it: `drift-20260301T120000000000.html` is of the kind `drift`.
    """
    pages = sorted(folder.glob("*.html"), key=lambda path: path.name) if folder.is_dir() else []
    newest = {page.name.rpartition("-")[0]: page for page in pages}
    kept = {*keep, *(str(page) for page in newest.values())}
    return [page for page in pages if str(page) not in kept and _changed(page) < before.timestamp()]


def old_folders(folder: Path, before: datetime, keep: Collection[str] = ()) -> list[Path]:
    """Folders in which nothing was written since an instant, but for those named in `keep` and the newest.

    What a removal that was killed left over is always among them.
    """
    found = [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    left = [path for path in found if path.name.endswith(_REMOVED)]
    live = sorted((path for path in found if path not in left), key=_changed)
    return [*left, *(path for path in live[:-1] if path.name not in keep and _changed(path) < before.timestamp())]


def remove(paths: Iterable[Path]) -> None:
    """Remove files and folders; one that is gone already is fine. Raises OSError."""
    for path in paths:
        if not path.is_dir():
            path.unlink(missing_ok=True)
        elif path.name.endswith(_REMOVED):
            shutil.rmtree(path)
        else:
            # Renamed first: a process that is killed here leaves no half of the folder under its name.
            shutil.rmtree(path.rename(path.with_name(f".{path.name}.{secrets.token_hex(4)}{_REMOVED}")))


def _changed(path: Path) -> float:
    """When a file, or any file in a folder, was last written, in seconds since 1970."""
    if path.is_dir():
        return max((_changed(child) for child in path.iterdir()), default=path.stat().st_mtime)
    return path.stat().st_mtime
