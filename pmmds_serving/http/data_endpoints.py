"""Endpoints that receive data: batch predictions and feedback.

Not here: single predictions (predict_endpoint.py), health and model (status_endpoints.py).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from pmmds_core.contracts.label_words import LabelWords
from pmmds_core.deployment import Deployment
from pmmds_core.errors import PmmdsError
from pmmds_core.runtime.timestamps import InvalidTimestampError, TimestampRange
from pmmds_core.stores.predictions.label_history import LabelItem
from pmmds_core.stores.predictions.labels import FeedbackCounts
from pmmds_serving import api_errors
from pmmds_serving.access import require_admin
from pmmds_serving.http.responses import answer
from pmmds_serving.prediction.json_bounds import check_elements, n_items
from pmmds_serving.prediction.large_bodies import decoded
from pmmds_serving.prediction.limits import BATCH_BYTES, FEEDBACK_BYTES, LABEL_ELEMENTS, MAX_FEEDBACK
from pmmds_serving.prediction.predictor import check_request_id, field_of
from pmmds_serving.prediction.request_bodies import decode_json
from pmmds_serving.spool.segment import segments_with_records
from pmmds_serving.worker import Worker

# Maximum length of a label's request id, which may have the index of a batch row appended.
MAX_LABEL_ID = 128
# How long labels wait for predictions that are still in the spool, and the polling interval, in seconds.
SHIPPING_GRACE_SECONDS, SHIPPING_POLL_SECONDS = 10.0, 0.02


@dataclass(frozen=True)
class LabelRules:
    """The accepted labels and timestamps; the same rules apply to label files."""

    words: LabelWords
    timestamps: TimestampRange

    @classmethod
    def of(cls, deployment: Deployment) -> LabelRules:
        return cls(LabelWords(deployment.contract.label), deployment.settings.timestamps)


class InvalidItemError(ValueError):
    """An invalid label; the exception's message is sent to the client."""


async def predict_batch(request: Request, worker: Worker) -> Response:
    """POST /api/v1/predict/batch."""
    request_id = check_request_id(request.headers.get("x-request-id", ""))
    predictor = worker.predictor
    async with worker.large_batches.read(request.scope["headers"], request.receive, BATCH_BYTES) as body:
        rows = await decoded(predictor.read_batch, body)
    return answer({"predictions": predictor.predict_rows(rows, request_id, request.state.started)})


async def feedback(request: Request, worker: Worker) -> Response:
    """POST /api/v1/feedback. Stores all items or none."""
    require_admin(request, worker)
    async with worker.large_feedback.read(request.scope["headers"], request.receive, FEEDBACK_BYTES) as body:
        rules = LabelRules.of(worker.deployment)
        items = await decoded(lambda text: read_labels(text, rules), body)
        return answer(await asyncio.to_thread(store_labels, worker, items))


def read_labels(body: bytes, rules: LabelRules) -> list[LabelItem]:
    """Decode and validate `{"items": [{…}, …]}`. Thread-safe. Raises ApiError."""
    check_elements(body, MAX_FEEDBACK * LABEL_ELEMENTS)
    n_labels = n_items(body, "items")
    if n_labels is not None and n_labels > MAX_FEEDBACK:
        raise wrong_feedback(f"{n_labels:,}")
    return label_items(field_of(decode_json(body), "items"), rules)


def store_labels(worker: Worker, items: Sequence[LabelItem]) -> FeedbackCounts:
    """Wait until spooled predictions are shipped, then store the labels.

    Blocks on the database, so call it in a thread. Raises ApiError.
    """
    try:
        worker.spool.seal()
        _await_predictions(worker, {item.request_id for item in items})
        return worker.deployment.ground_truth.add(items)
    except (PmmdsError, OSError):
        raise api_errors.database_down("No label was stored") from None


def _await_predictions(worker: Worker, request_ids: set[str]) -> None:
    """Wait until all ids are logged or everything spooled before this call is shipped.

    After that, ids that are still missing are unknown.
    """
    log, pending = worker.deployment.prediction_log, segments_with_records(worker.spool.folder)
    missing, deadline = request_ids, time.monotonic() + SHIPPING_GRACE_SECONDS
    while (missing := missing - log.are_logged(missing)) and pending and time.monotonic() < deadline:
        time.sleep(SHIPPING_POLL_SECONDS)
        pending = [path for path in pending if path.exists()]


def label_items(raw: Any, rules: LabelRules) -> list[LabelItem]:
    """Validate the labels of decoded JSON. Raises ApiError that lists all errors by item index."""
    if not isinstance(raw, list) or not 1 <= len(raw) <= MAX_FEEDBACK:
        raise wrong_feedback(f"{len(raw):,}" if isinstance(raw, list) else type(raw).__name__)
    now = datetime.now(UTC)
    items, errors = [], []
    for i, item in enumerate(raw):
        try:
            items.append(_label_item(item, rules, now))
        except InvalidItemError as error:
            errors.append(f"items[{i}]: {error}")
    if errors:
        raise api_errors.invalid_payload(errors)
    return items


def wrong_feedback(size: str) -> api_errors.ApiError:
    return api_errors.invalid_payload([f"items: expected an array of 1 to {MAX_FEEDBACK:,} labels, found {size}"])


def _label_item(item: Any, rules: LabelRules, now: datetime) -> LabelItem:
    """Raises InvalidItemError."""
    if not isinstance(item, dict):
        raise InvalidItemError("expected an object with request_id and label")
    request_id, label = item.get("request_id"), item.get("label")
    if not isinstance(request_id, str) or not request_id:
        raise InvalidItemError("Missing required field: request_id")
    if len(request_id) > MAX_LABEL_ID or not (request_id.isascii() and request_id.isprintable()):
        # Prediction ids contain no other characters, and PostgreSQL rejects NUL in queries.
        expected = f"Expected at most {MAX_LABEL_ID} printable ASCII characters"
        raise InvalidItemError(f"Invalid value for request_id: {request_id[:40]!r}. {expected}")
    code = rules.words.code_of(label)
    if code is None:
        raise InvalidItemError(f"Invalid value for label: {str(label)[:40]!r}. Expected {rules.words.expected}")
    observed_at = item.get("observed_at")
    return LabelItem(request_id, code, now if observed_at is None else _timestamp(observed_at, rules, now))


def _timestamp(raw: Any, rules: LabelRules, now: datetime) -> datetime:
    """Parse a timestamp to UTC. Raises InvalidItemError."""
    try:
        return rules.timestamps.parse(raw, now)
    except InvalidTimestampError as error:
        problem = f"Invalid value for observed_at: {str(raw)[:40]!r}. Expected {error.expected}"
        raise InvalidItemError(problem) from None
