"""Removes data that is older than the retention period of its kind. A period of 0 days keeps a kind of data forever.

Every removal can be interrupted and repeated. Add a kind of data here, with its setting. Not here: the prediction log
(log_archiving.py), Dagster's runs (pmmds_assets/run_retention.py), finding rows and files (stores).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pmmds_core.deployment import Deployment
from pmmds_core.policies.decision import JUDGED, MOVING, PENDING_APPROVAL, RECORDED
from pmmds_core.runtime.progress import Progress, no_progress
from pmmds_core.stores.artifacts.model_registry import RegisteredVersion
from pmmds_core.stores.lifecycle.expired_rows import DELETE, count_rows, report_pages
from pmmds_core.stores.lifecycle.storage_usage import save_usage
from pmmds_core.workflows.expired_files import n_bytes_of, old_folders, old_pages, remove

_PAGES, _VALIDATION, _BUNDLES, _DATASETS = "report pages", "validation pages", "cached bundles", "data sets"
_VERSIONS = "model versions"
# Folders of the home directory, with the names under which their sizes are stored.
FOLDERS = {
    "reports": "reports",
    "datasets": "datasets",
    "validation": "validation",
    "profiles": "bundle_cache",
    "model_cache": "model_cache",
    "mlartifacts": "mlflow_artifacts",
    "dagster": "dagster",
    "spool": "spool",
    "archive": "archive",
}


@dataclass(frozen=True)
class Expired:
    """The data of one kind that was removed or, with `dry_run`, that would be removed.

    `days` is the retention period. If it is 0, all data of the kind is kept.
    """

    kind: str
    days: int
    n_removed: int = 0
    n_bytes: int = 0


def expire(
    deployment: Deployment,
    now: datetime | None = None,
    *,
    dry_run: bool = False,
    on_progress: Progress = no_progress,
) -> list[Expired]:
    """Remove data older than its retention period, and store the remaining size of each kind.

    Args:
        deployment: the deployment.
        now: a timezone-aware datetime, by default the current time.
        dry_run: True to only return what would be removed.
        on_progress: number of groups of kinds that are done.

    Raises:
        StoreError: the database or the registry is unreachable. Earlier kinds have been removed.
        OSError: a file cannot be removed.
    """
    at = (now or datetime.now(UTC)).astimezone(UTC)
    done: list[Expired] = []
    for number, kind in enumerate(KINDS, start=1):
        done += kind(deployment, at, dry_run)
        on_progress(number, len(KINDS))
    if not dry_run:
        save_usage(deployment.database, storage_sizes(deployment), at)
    return done


def storage_sizes(deployment: Deployment) -> dict[str, int]:
    """Return the size in bytes of each kind of file in the home directory."""
    home = deployment.settings.home_path
    sizes = {kind: n_bytes_of(home / folder) for folder, kind in FOLDERS.items()}
    if not deployment.settings.database_url:
        sizes["database"] = sum(n_bytes_of(path) for path in home.glob("*.db*"))
    return sizes


def _rows(deployment: Deployment, now: datetime, dry_run: bool) -> list[Expired]:
    s = deployment.settings
    days = {
        "drift reports": s.retention_reports_days,
        "histograms": s.retention_histograms_days,
        "waiting labels": s.retention_labels_days,
        "notifications": s.retention_notifications_days,
    }
    removed = []
    for kind, n_days in days.items():
        before = now - timedelta(days=n_days)
        n = (
            0
            if not n_days
            else count_rows(deployment.database, before)[kind]
            if dry_run
            else DELETE[kind](deployment.database, before)
        )
        removed.append(Expired(kind, n_days, n))
    return removed


def _pages(deployment: Deployment, now: datetime, dry_run: bool) -> list[Expired]:
    """Remove old pages.

    Pages of live alerts and all pages newer than a decision that is pending approval are kept.
    """
    days, home = deployment.settings.retention_reports_days, deployment.settings.home_path
    pending = [x.decided_at - timedelta(hours=1) for x in deployment.decisions.of_states(PENDING_APPROVAL)]
    before = min([now - timedelta(days=days), *pending])
    pages = old_pages(home / "reports", before, report_pages(deployment.database)) if days else []
    return [_remove(_PAGES, days, pages, dry_run)]


def _folders(deployment: Deployment, now: datetime, dry_run: bool) -> list[Expired]:
    s, home = deployment.settings, deployment.settings.home_path
    validation = old_folders(home / "validation", now - timedelta(days=s.retention_validation_days))
    bundles = old_folders(
        home / "profiles" / deployment.model_name, now - timedelta(days=s.retention_models_days), _served(deployment)
    )
    return [
        _remove(_VALIDATION, s.retention_validation_days, validation, dry_run),
        _remove(_BUNDLES, s.retention_models_days, bundles, dry_run),
    ]


def _remove(kind: str, days: int, paths: Sequence[Path], dry_run: bool) -> Expired:
    wanted = list(paths) if days else []
    size = sum(n_bytes_of(path) for path in wanted)
    if not dry_run:
        remove(wanted)
    return Expired(kind, days, len(wanted), size)


def _datasets(deployment: Deployment, now: datetime, dry_run: bool) -> list[Expired]:
    """Remove old data sets.

    Data sets of promoted and pending versions are kept, because `pmmds reproduce` needs them.
    """
    days = deployment.settings.retention_datasets_days
    if not days:
        return [Expired(_DATASETS, 0)]
    decided = deployment.decisions.of_states(PENDING_APPROVAL, JUDGED, MOVING, RECORDED)
    runs = {x.run_id for x in decided if x.promoted}
    paths = deployment.datasets.expire(now - timedelta(days=days), runs, dry_run=dry_run)
    size = sum(n_bytes_of(path) for path in paths)
    if not dry_run:
        remove(paths)
    return [Expired(_DATASETS, days, len(paths), size)]


def _versions(deployment: Deployment, now: datetime, dry_run: bool) -> list[Expired]:
    """Remove registered versions that were never in production, with their runs and artifacts."""
    days = deployment.settings.retention_models_days
    if not days:
        return [Expired(_VERSIONS, 0)]
    before, served = now - timedelta(days=days), _served(deployment)
    versions = deployment.registry.versions(deployment.model_name)
    newest = max((int(v.version) for v in versions), default=0)
    kept = {*served, *deployment.registry.aliased(deployment.model_name), str(newest)}
    old = [v for v in versions if v.version not in kept and v.created_at is not None and v.created_at < before]
    # A run may have registered several versions, so it is removed with the last of them.
    kept_runs = {v.run_id for v in versions if v not in old}
    old = [v for v in old if v.run_id not in kept_runs]
    if not dry_run:
        old = [version for version in old if _deleted(deployment, version)]
    return [Expired(_VERSIONS, days, len(old))]


def _deleted(deployment: Deployment, version: RegisteredVersion) -> bool:
    """Delete a version unless an alias or a decision has started to refer to it since the versions were listed."""
    if version.version in _served(deployment) | deployment.registry.aliased(deployment.model_name):
        return False
    deployment.registry.delete_version(version)
    return True


def _served(deployment: Deployment) -> set[str]:
    """Return the versions that are or were in production or are pending approval.

    These are the champions and the promoted challengers.
    """
    decided = deployment.decisions.of_states(PENDING_APPROVAL, JUDGED, MOVING, RECORDED)
    challengers = {x.challenger_version for x in decided if x.promoted}
    return challengers | {x.champion_version for x in decided if x.champion_version}


# The order of removal. Versions are last, because the registry may be unreachable.
KINDS: tuple[Callable[[Deployment, datetime, bool], list[Expired]], ...] = (
    _rows,
    _pages,
    _folders,
    _datasets,
    _versions,
)
