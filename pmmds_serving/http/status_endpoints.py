"""The endpoints that say how the service is: health, readiness, model, reload, metrics."""

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
from pmmds_serving.access import is_admin, require_admin
from pmmds_serving.http.responses import answer
from pmmds_serving.http.service_gauges import state_families
from pmmds_serving.metrics.counters import as_document, exposition
from pmmds_serving.metrics.loop_metrics import loop_families
from pmmds_serving.model.cache import ReloadRequest, WatcherStatus
from pmmds_serving.model.watcher import NO_MODEL
from pmmds_serving.prediction import api_errors
from pmmds_serving.prediction.api_errors import ApiError
from pmmds_serving.prediction.request_bodies import check_content_type
from pmmds_serving.worker import Worker

RELOAD_SECONDS = 30.0
# What is told of a database that answers and cannot be used; any other problem is that it cannot be reached.
_ANSWERS_BUT = ((SchemaNewerError, "newer"), (SchemaOutdatedError, "outdated"), (RightMissingError, "refused"))
PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8"


async def livez(_: Request, __: Worker) -> Response:
    """GET /livez: the process answers."""
    return answer({"status": "alive"})


async def healthz(request: Request, worker: Worker) -> Response:
    """GET /healthz: 503 when the database cannot be reached or used; predictions are still answered and kept.

    Problems name hosts and paths, so only those who may use guarded endpoints see their text.
    """
    database = await asyncio.to_thread(_database, worker.deployment)
    is_well = not database["problem"]
    parts = _parts(worker, database)
    if not is_admin(request, worker):
        hide_problems(parts)
    body = {"status": "healthy" if is_well else "unhealthy", "parts": parts}
    return answer(body, 200 if is_well else 503)


def hide_problems(parts: dict[str, dict[str, Any]]) -> None:
    """Replace the text of each problem, in place; states and counts stay."""
    for part in parts.values():
        if part.get("problem"):
            part["problem"] = api_errors.HIDDEN


def _database(deployment: Deployment) -> dict[str, str]:
    """Looked at anew each time: another program may have changed the tables since they were opened."""
    try:
        deployment.database.ping()
        check_schema(deployment.database, deployment.contract)
    except PmmdsError as error:
        status = next((word for kind, word in _ANSWERS_BUT if isinstance(error, kind)), "unreachable")
        return {"status": status, "problem": error.message}
    return {"status": "ok", "problem": ""}


def _parts(worker: Worker, database: dict[str, str]) -> dict[str, Any]:
    model, watcher, stamp = worker.follower.model, worker.cache.read_watcher(), worker.cache.read_active()
    return {
        "database": database,
        "model": {
            "status": "ok" if model else "none",
            "version": model.version if model else None,
            "verification": stamp.verification if stamp else "",
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
    """GET /ready: 200 while it has a model and can record durably."""
    reasons = not_ready_reasons(worker)
    return answer({"status": "not ready" if reasons else "ready", "reasons": reasons}, 503 if reasons else 200)


def not_ready_reasons(worker: Worker) -> list[str]:
    """Why predictions are not answered now; empty when they are."""
    reasons = []
    if worker.follower.model is None:
        reasons.append("no model is loaded")
    if why := worker.cannot_record:
        reasons.append(f"predictions cannot be recorded: {why}")
    return reasons


async def model(_: Request, worker: Worker) -> Response:
    """GET /model: what answers now."""
    return answer(model_document(worker))


def model_document(worker: Worker) -> dict[str, Any]:
    """The model that answers now, and what every worker serves. Raises ApiError when there is none."""
    served = worker.follower.model
    if served is None:
        raise api_errors.no_model(_why_none(worker))
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


def _why_none(worker: Worker) -> str:
    watcher = worker.cache.read_watcher()
    problem = worker.follower.problem or (watcher.problem if watcher else "")
    if problem in ("", NO_MODEL):
        return problem or "The registry is being asked; try again"
    return api_errors.HIDDEN


async def reload_model(request: Request, worker: Worker) -> Response:
    """POST /model/reload: ask the registry now; answers when all workers serve what it says."""
    require_admin(request, worker)
    if content_type := request.headers.get("content-type", ""):
        check_content_type(content_type.encode("latin-1"))
    asked = ReloadRequest(uuid.uuid4().hex)
    worker.cache.write_request(asked)
    deadline = time.monotonic() + RELOAD_SECONDS
    while time.monotonic() < deadline:
        watcher = worker.cache.read_watcher()
        if watcher is not None and _is_answered(worker, asked, watcher):
            if watcher.problem:
                raise ApiError(503, "The model was not reloaded", "reload", [watcher.problem])
            await worker.follower.follow()
            if _all_follow(worker) and worker.follower.model is not None:
                return answer(model_document(worker))
        await asyncio.sleep(0.02)
    raise ApiError(504, "The model was not reloaded in time", "reload", [_laggards(worker)])


def _is_answered(worker: Worker, asked: ReloadRequest, watcher: WatcherStatus) -> bool:
    """A later request takes this one's place; its answer is this one's as well."""
    newest = worker.cache.read_request()
    return watcher.handled == (asked.id if newest is None else newest.id)


def _all_follow(worker: Worker) -> bool:
    stamp = worker.cache.read_active()
    return stamp is not None and all(w.version == stamp.version for w in worker.cache.live_workers())


def _laggards(worker: Worker) -> str:
    states = [
        f"pid {w.pid} serves v{w.version}{f' ({w.problem})' if w.problem else ''}" for w in worker.cache.live_workers()
    ]
    return f"After {RELOAD_SECONDS:.0f} seconds: " + (", ".join(states) or "the registry has not answered")


async def metrics(_: Request, worker: Worker) -> Response:
    """GET /metrics: Prometheus text."""
    families = await _families(worker)
    return Response(exposition(families), media_type=PROMETHEUS_TEXT)


async def metrics_json(_: Request, worker: Worker) -> Response:
    """GET /metrics/json: the same numbers."""
    return answer(as_document(await _families(worker)))


async def _families(worker: Worker) -> list[Any]:
    """Read beside the event loop, since the database is asked too; this worker's counts are there to the last one."""
    worker.metrics.fold()
    return await asyncio.to_thread(_read_families, worker)


def _read_families(worker: Worker) -> list[Any]:
    return [*worker.metrics.collect(), *state_families(worker), *loop_families(worker.deployment)]
