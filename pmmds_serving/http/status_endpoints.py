"""Status endpoints: health, readiness, model, reload and metrics.

Not here: endpoints that receive data (data_endpoints.py), HTML pages (pages.py).
"""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from pmmds_core.deployment import Deployment
from pmmds_core.errors import PmmdsError, RightMissingError, SchemaNewerError, SchemaOutdatedError
from pmmds_core.stores.database.schema import check_schema
from pmmds_serving import api_errors
from pmmds_serving.access import is_admin, require_admin
from pmmds_serving.api_errors import ApiError
from pmmds_serving.http.responses import answer
from pmmds_serving.http.service_gauges import state_families
from pmmds_serving.metrics.counters import as_document, exposition
from pmmds_serving.metrics.loop_metrics import loop_families
from pmmds_serving.model.cache import ReloadRequest, WatcherStatus
from pmmds_serving.model.watcher import NO_MODEL
from pmmds_serving.prediction.request_bodies import check_content_type
from pmmds_serving.worker import Worker

RELOAD_SECONDS = 30.0
# Status words for a database that is reachable but unusable; for any other problem, the status is `unreachable`.
_UNUSABLE = ((SchemaNewerError, "newer"), (SchemaOutdatedError, "outdated"), (RightMissingError, "refused"))
PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8"


async def livez(_: Request, __: Worker) -> Response:
    """GET /livez: the process is alive."""
    return answer({"status": "alive"})


async def healthz(request: Request, worker: Worker) -> Response:
    """GET /healthz: 503 if the database is unavailable; predictions are still served and recorded.

    The text of a problem may contain host names and paths, so only clients allowed to call guarded endpoints see it.
    """
    database = await asyncio.to_thread(_database, worker.deployment)
    is_healthy = not database["problem"]
    parts = _parts(worker, database)
    if not is_admin(request, worker):
        hide_problems(parts)
    body = {"status": "healthy" if is_healthy else "unhealthy", "parts": parts}
    return answer(body, 200 if is_healthy else 503)


def hide_problems(parts: dict[str, dict[str, Any]]) -> None:
    """Replace the text of each problem in place; states and counts are unchanged."""
    for part in parts.values():
        if part.get("problem"):
            part["problem"] = api_errors.HIDDEN


def _database(deployment: Deployment) -> dict[str, str]:
    """Check the database and its schema, at each call, because a migration may have changed the schema."""
    try:
        deployment.database.ping()
        check_schema(deployment.database, deployment.contract)
    except PmmdsError as error:
        status = next((word for kind, word in _UNUSABLE if isinstance(error, kind)), "unreachable")
        return {"status": status, "problem": error.message}
    return {"status": "ok", "problem": ""}


def _parts(worker: Worker, database: dict[str, str]) -> dict[str, Any]:
    model, watcher, active = worker.follower.model, worker.cache.read_watcher(), worker.cache.read_active()
    return {
        "database": database,
        "model": {
            "status": "ok" if model else "none",
            "version": model.version if model else None,
            "verification": active.verification if active else "",
            "problem": worker.follower.problem,
        },
        "spool": _spool(worker),
        "shadow": worker.shadow.part(worker.deployment.settings.shadow),
        "registry": {
            "status": "unknown" if watcher is None else "problem" if watcher.problem else "ok",
            "checked_at": watcher.checked_at if watcher else None,
            "fetching": (watcher.fetching or None) if watcher else None,
            "problem": watcher.problem if watcher else "",
            "refused_version": (watcher.refused_version or None) if watcher else None,
        },
    }


def _spool(worker: Worker) -> dict[str, Any]:
    spool = worker.spool
    return {
        "status": "full" if worker.cannot_record else "ok",
        "backlog_bytes": spool.backlog_bytes,
        "max_bytes": spool.limits.max_bytes,
        "n_segments": spool.n_segments,
        "n_dropped": spool.n_dropped,
        "n_dead_letters": worker.dead_letters.n_kept(),
        "problem": worker.cannot_record or worker.syncer.problem or worker.shipper.problem(),
    }


async def ready(_: Request, worker: Worker) -> Response:
    """GET /ready: 200 while a model is loaded and predictions can be recorded."""
    reasons = not_ready_reasons(worker)
    return answer({"status": "not ready" if reasons else "ready", "reasons": reasons}, 503 if reasons else 200)


def not_ready_reasons(worker: Worker) -> list[str]:
    """The reason why the worker cannot serve predictions; empty if it can."""
    reasons = []
    if worker.follower.model is None:
        reasons.append("no model is loaded")
    if problem := worker.cannot_record:
        reasons.append(f"predictions cannot be recorded: {problem}")
    return reasons


async def model(_: Request, worker: Worker) -> Response:
    """GET /model: the served model."""
    return answer(model_document(worker))


def model_document(worker: Worker) -> dict[str, Any]:
    """Describe the served model and every worker's version. Raises ApiError if no model is loaded."""
    served = worker.follower.model
    if served is None:
        raise api_errors.no_model(_no_model_reason(worker))
    manifest = served.bundle.manifest
    return {
        "name": served.name,
        "version": served.version,
        "alias": "production",
        "loaded_at": served.loaded_at,
        "digest": served.bundle.digest,
        "scorer": manifest.scorer_kind,
        "metrics": manifest.metrics,
        "workers": [{"pid": w.pid, "version": w.version} for w in worker.cache.live_workers()],
    }


def _no_model_reason(worker: Worker) -> str:
    watcher = worker.cache.read_watcher()
    problem = worker.follower.problem or (watcher.problem if watcher else "")
    if problem in ("", NO_MODEL):
        return problem or "The registry has not responded yet; try again"
    return api_errors.HIDDEN


async def reload_model(request: Request, worker: Worker) -> Response:
    """POST /model/reload: poll the registry now; responds when all workers serve the production version."""
    require_admin(request, worker)
    if content_type := request.headers.get("content-type", ""):
        check_content_type(content_type.encode("latin-1"))
    reload = ReloadRequest(uuid.uuid4().hex)
    worker.cache.write_request(reload)
    deadline = time.monotonic() + RELOAD_SECONDS
    while time.monotonic() < deadline:
        watcher = worker.cache.read_watcher()
        if watcher is not None and _is_handled(worker, reload, watcher):
            if watcher.problem:
                raise ApiError(503, "The model was not reloaded", "reload", [watcher.problem])
            await worker.follower.follow()
            if _all_follow(worker) and worker.follower.model is not None:
                return answer(model_document(worker))
        await asyncio.sleep(0.02)
    raise ApiError(504, "The model was not reloaded in time", "reload", [_workers_behind(worker)])


def _is_handled(worker: Worker, reload: ReloadRequest, watcher: WatcherStatus) -> bool:
    """True if the watcher has handled this request, or a later one that replaced it."""
    newest = worker.cache.read_request()
    return watcher.handled == (reload.id if newest is None else newest.id)


def _all_follow(worker: Worker) -> bool:
    active = worker.cache.read_active()
    return active is not None and all(w.version == active.version for w in worker.cache.live_workers())


def _workers_behind(worker: Worker) -> str:
    states = [
        f"pid {w.pid} serves v{w.version}{f' ({w.problem})' if w.problem else ''}" for w in worker.cache.live_workers()
    ]
    return f"After {RELOAD_SECONDS:.0f} seconds: " + (", ".join(states) or "the registry has not responded")


async def metrics(_: Request, worker: Worker) -> Response:
    """GET /metrics: all metrics in the Prometheus text format."""
    families = await _families(worker)
    return Response(exposition(families), media_type=PROMETHEUS_TEXT)


async def metrics_json(_: Request, worker: Worker) -> Response:
    """GET /metrics/json: the same metrics as JSON."""
    return answer(as_document(await _families(worker)))


async def _families(worker: Worker) -> list[Any]:
    """All metric families, including this worker's pending counts. Reads the database in a thread."""
    worker.metrics.fold()
    return await asyncio.to_thread(_read_families, worker)


def _read_families(worker: Worker) -> list[Any]:
    return [*worker.metrics.collect(), *state_families(worker), *loop_families(worker.deployment)]
