"""Where a finished page goes: whole into the home's reports, and beside the model in the registry when it answers.

Keep out: what is on a page.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from pmmds_core.deployment import Deployment
from pmmds_core.errors import ModelError, StoreError
from pmmds_core.runtime.atomic_write import write_atomically

REPORTS = "reports"


def write_report(deployment: Deployment, kind: str, html: str, at: datetime) -> Path:
    """A file named by kind and instant, whole or not at all."""
    path = deployment.folder(REPORTS) / f"{kind}-{at:%Y%m%dT%H%M%S%f}.html"
    write_atomically(path, html.encode())
    return path


def keep_with_model(deployment: Deployment, version: str, path: Path, folder: str, *, copy: str = "") -> str:
    """Put a page beside the run of a model version; where it is, or why it is not there.

    `latest.html` is replaced each time, because every hour has a report, and so is `copy`, where one is named.
    Monitoring goes on whatever the registry does.
    """
    try:
        run_id = deployment.registry.get_version(deployment.model_name, version).run_id
        names = ["latest.html", *([copy] if copy else [])]
        deployment.registry.log_page(run_id, path.read_bytes(), [f"{folder}/{name}" for name in names])
    except (StoreError, ModelError) as error:
        return f"not kept: {error}"
    return f"run {run_id}, {folder}/{names[-1]}"
