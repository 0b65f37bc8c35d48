"""The checks of `pmmds doctor`. Each one uses a component in the same way as PMMDS, and changes nothing.

Not here: health checks of processes (health_check.py).
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pmmds_core.deployment import Deployment
from pmmds_core.errors import PmmdsError
from pmmds_core.policies.decision import PENDING_APPROVAL
from pmmds_core.runtime.plurals import counted, plural

# Reading a complete archived part takes about a second per 200,000 rows.
_N_READ_WHOLE = 5
MIN_FREE_BYTES = 500 * 1024 * 1024


@dataclass(frozen=True)
class Finding:
    """The result of a check."""

    part: str
    ok: bool
    seen: str


def diagnose() -> list[Finding]:
    """Run every check. A failed check does not stop the others."""
    try:
        deployment = Deployment.from_environment()
    except PmmdsError as error:
        return [Finding("settings", False, str(error))]
    checks: dict[str, Callable[[Deployment], str]] = {
        "home": _home,
        "contract": _contract,
        "reference data": _reference,
        "database": _database,
        "archive": archive,
        "storage": _storage,
        "model registry": _registry,
        "production model": _production,
        "service": _service,
        "alerts": _alerts,
    }
    return [
        Finding("settings", True, "all PMMDS_* variables are valid"),
        *(_check(n, f, deployment) for n, f in checks.items()),
    ]


def _check(part: str, check: Callable[[Deployment], str], deployment: Deployment) -> Finding:
    try:
        return Finding(part, True, check(deployment))
    except PmmdsError as error:
        return Finding(part, False, str(error))
    except OSError as error:
        return Finding(part, False, f"{error.strerror or error}: {error.filename or ''}")


def _home(deployment: Deployment) -> str:
    folder = deployment.folder("")
    probe = folder / f".probe-{uuid.uuid4().hex[:8]}"
    probe.write_bytes(b"x")
    probe.unlink()
    free = shutil.disk_usage(folder).free
    if free < MIN_FREE_BYTES:
        raise PmmdsError(f"{folder} has only {free // 2**20} MiB free.", next_step="Free disk space.")
    return f"{folder} is writable, {free / 2**30:.0f} GiB free (process {os.getpid()})"


def _contract(deployment: Deployment) -> str:
    contract = deployment.contract
    return f"{contract.name}: {counted(len(contract.features), 'feature')}, model {contract.model_name}"


def _reference(deployment: Deployment) -> str:
    from pmmds_core.stores.files.reference_source import load_reference

    source = load_reference(deployment.settings, deployment.contract)
    return f"{counted(source.data.n_rows, 'row')}; {source.description}"


def _database(deployment: Deployment) -> str:
    deployment.database.ping()
    summary = deployment.prediction_log.summary()
    return f"{deployment.database.dialect} answers; {counted(summary.n_rows, 'prediction')} logged"


def archive(deployment: Deployment) -> str:
    """Check every archived part against its record, including the content of the newest parts."""
    with deployment.archive.snapshot() as connection:
        parts = deployment.archive.parts(connection)
    newest = parts[-_N_READ_WHOLE:]
    problems = deployment.archive.problems(parts[: -len(newest)]) if newest else []
    problems += deployment.archive.problems(newest, with_content=True)
    if problems:
        raise PmmdsError(
            f"{len(problems)} of {counted(len(parts), 'archived part')} "
            f"{plural(len(problems), 'differs', 'differ')} from the records: {problems[0]}.",
            next_step="Set PMMDS_ARCHIVE_PATH to the archive's folder, or restore the files.",
        )
    if contradicted := deployment.archive.contradicted():
        raise PmmdsError(
            f"{counted(len(contradicted), 'row of the database has', 'rows of the database have')} the request id "
            f"of an archived row but different values, such as {contradicted[0]}; PMMDS uses the archived rows.",
            next_step="Find out which login wrote them. The next run of archive_job removes them.",
        )
    if not parts:
        return "nothing is archived" + ("" if deployment.settings.retention_days else " (PMMDS_RETENTION_DAYS is 0)")
    n_rows, n_days = sum(part.n_rows for part in parts), len({part.day for part in parts})
    return f"{counted(n_rows, 'prediction')} of {counted(n_days, 'day')} in {deployment.settings.resolved_archive_path}"


def _storage(deployment: Deployment) -> str:
    """Return the size of each kind of data."""
    from pmmds_core.workflows.retention import storage_sizes

    sizes = sorted(storage_sizes(deployment).items(), key=lambda pair: -pair[1])
    return ", ".join(f"{kind} {n_bytes / 2**20:.1f} MiB" for kind, n_bytes in sizes)


def _registry(deployment: Deployment) -> str:
    versions = deployment.registry.versions(deployment.model_name)
    return f"answers; {counted(len(versions), 'version')} of {deployment.model_name}"


def _production(deployment: Deployment) -> str:
    version = deployment.production_version()
    bundle = deployment.profiles.bundle(version.version)
    left = deployment.decisions.unfinished()
    if left:
        raise PmmdsError(
            f"Promotion {left[0].decision_id} of v{left[0].challenger_version} is unfinished.",
            next_step="Start the daemon (`pmmds up`), which finishes it, or materialize production_model.",
        )
    waiting = [x.decision_id for x in deployment.decisions.recent(100) if x.state == PENDING_APPROVAL]
    pending = f"; waiting for approval: {', '.join(waiting)}" if waiting else ""
    causes = sorted({str(r.cause) for r in deployment.retrainings.given_up(timedelta(days=7), datetime.now(UTC))})
    given_up = f"; retraining stopped, manual action needed: {', '.join(causes)}" if causes else ""
    return f"v{version.version}, verified, scorer {bundle.manifest.scorer_kind}{pending}{given_up}"


def _service(deployment: Deployment) -> str:
    from pmmds_cli.client.service_client import ServiceClient

    with ServiceClient(deployment.settings) as client:
        version = client.model_version()
        if version is None:
            raise PmmdsError(
                f"The service at {client.base_url} did not respond or has no model.",
                next_step="Start it with `pmmds up`.",
            )
    return f"{client.base_url} serves v{version}"


def _alerts(deployment: Deployment) -> str:
    alerts = deployment.alerts.open_alerts()
    targets = f"{_targets(deployment)}; {counted(len(deployment.webhook_urls), 'webhook')}"
    return f"{len(alerts) or 'none'} open; {targets}{_undelivered(deployment)}"


def _undelivered(deployment: Deployment) -> str:
    events = deployment.outbox.undelivered_webhooks()
    return f"; {counted(len(events), 'undelivered event')} (`pmmds webhooks list`)" if events else ""


def _targets(deployment: Deployment) -> str:
    """Check the notification targets. Import apprise only if there are targets."""
    if not deployment.alert_urls:
        return "no notification targets configured (PMMDS_ALERT_URLS)"
    from pmmds_core.stores.lifecycle.notifier import unknown_urls

    unknown = unknown_urls(deployment.alert_urls)
    if unknown:
        raise PmmdsError(
            f"apprise cannot use {', '.join(unknown)}.",
            next_step="Use URLs that apprise supports, or remove them.",
        )
    return f"{len(deployment.alert_urls)} notification target{'s' * (len(deployment.alert_urls) > 1)}"
