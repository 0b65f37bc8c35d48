"""Stores finished pages in the home directory and as artifacts of the model version's run.

Not here: the content of a page (reports/).
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from pmmds_core.deployment import Deployment
from pmmds_core.errors import ModelError, StoreError
from pmmds_core.runtime.atomic_write import write_atomically

REPORTS = "reports"


def write_report(deployment: Deployment, kind: str, html: str, at: datetime) -> Path:
    """Write a file that is named by its kind and timestamp. The file is written atomically."""
    path = deployment.folder(REPORTS) / f"{kind}-{at:%Y%m%dT%H%M%S%f}.html"
    write_atomically(path, html.encode())
    return path


def keep_with_model(deployment: Deployment, version: str, path: Path, folder: str, *, copy: str = "") -> str:
    """Log a page as an artifact of the version's run.

    Returns the location of the page, or the reason why it was not stored. The page replaces `latest.html`, because
    there is a report every hour, and also `copy` if that is given. This function never raises, so that monitoring
    continues without the registry.
    """
    try:
        run_id = deployment.registry.get_version(deployment.model_name, version).run_id
        names = ["latest.html", *([copy] if copy else [])]
        deployment.registry.log_page(run_id, path.read_bytes(), [f"{folder}/{name}" for name in names])
    except (StoreError, ModelError) as error:
        return f"not stored: {error}"
    return f"run {run_id}, {folder}/{names[-1]}"
