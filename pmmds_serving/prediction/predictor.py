"""The predictor: validates a payload, scores it, records it and returns the prediction. Shared by HTTP and gRPC.

Not here: transport (http/, rpc/), the spool file (spool/spool.py).
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

import msgspec

from pmmds_core.contracts.contract import Contract
from pmmds_core.contracts.request_decoder import Row, RowDecoder
from pmmds_core.contracts.request_validator import CheckedRow, compile_validator
from pmmds_core.runtime.json_logs import FrequentLine
from pmmds_core.statistics.classification import DECISION_THRESHOLD
from pmmds_core.stores.predictions.log import PredictionRecord
from pmmds_serving import api_errors
from pmmds_serving.metrics.counters import ServingMetrics
from pmmds_serving.model.follower import ModelFollower, ServedModel
from pmmds_serving.prediction.json_bounds import check_elements, n_items
from pmmds_serving.prediction.limits import MAX_BATCH, MAX_UNKNOWN, batch_elements, row_elements
from pmmds_serving.prediction.request_bodies import decode_json
from pmmds_serving.prediction.request_ids import RequestIds
from pmmds_serving.spool.spool import Spool, SpoolWriteError

REMEMBERED_REQUESTS = 10_000
# The database column holds 128 characters, and in a batch the row's index is appended to the id.
MAX_REQUEST_ID = 120

_NO_MODEL_YET = "Run `pmmds train`; the service loads the model automatically"

# Logger name and event name of a prediction's log line.
COMPLETED = ("pmmds.serving.predict", "prediction_completed")


# A row of a batch and its warnings.
CheckedInstance: TypeAlias = tuple[Row, tuple[str, ...]]


class Prediction(msgspec.Struct, frozen=True, gc=False):
    """One prediction. `latency_ms`: time from the request's arrival until the row was scored."""

    request_id: str
    prediction: int
    probability: float
    model_name: str
    model_version: str
    latency_ms: float
    warnings: tuple[str, ...] = ()


class PredictionLine(msgspec.Struct, frozen=True, gc=False):
    """Log line of a prediction; contains no customer data."""

    request_id: str
    prediction: int
    probability: float
    latency_ms: float
    model_name: str
    model_version: str


class Predictor:
    """Makes the predictions of one worker.

    `on_answered` is called with every prediction, and `line` writes its log line; tracing wraps both.
    """

    def __init__(
        self,
        contract: Contract,
        follower: ModelFollower,
        spool: Spool,
        metrics: ServingMetrics,
        log_share: float = 1.0,
    ) -> None:
        self._decoder = RowDecoder(contract)
        self._validate = compile_validator(contract)
        self.n_features = len(contract.features)
        self._log_share, self._log_due = log_share, 0.0
        self._follower = follower
        self._spool = spool
        self._metrics = metrics
        self.on_answered: Callable[[Sequence[Prediction]], None] = self._count_and_log
        self.line = FrequentLine(*COMPLETED)
        self._new_id = RequestIds().new
        # Predictions by the client's request id, so that a repeated request gets the same response.
        self._remembered: OrderedDict[tuple[str, Row], Prediction] = OrderedDict()

    def predict(self, body: bytes, request_id: str, started: float) -> Prediction:
        """Predict `{"features": {…}}`.

        Args:
            body: the request body, which is JSON.
            request_id: the client's request id; empty if there is none.
            started: time.perf_counter() when the request arrived.

        Raises:
            ApiError: the payload is invalid, there is no model, or recording failed; nothing was recorded.
        """
        row = self._decoder.row(body)
        if row is None:
            check_elements(body, row_elements(self.n_features))
            return self.predict_features(field_of(decode_json(body), "features"), request_id, started)
        return self._predict(row, (), request_id, started)

    def predict_features(self, features: Any, request_id: str, started: float) -> Prediction:
        """Predict one decoded row. Raises the same errors as `predict`."""
        self._model()
        checked = self._check_row(features)
        if checked.row is None:
            raise api_errors.invalid_payload(checked.errors, checked.warnings)
        return self._predict(checked.row, checked.warnings, request_id, started)

    def _predict(self, row: Row, warnings: tuple[str, ...], request_id: str, started: float) -> Prediction:
        model = self._model()
        if request_id:
            earlier = self._earlier(request_id, row)
            if earlier is not None:
                return earlier
        probability = model.bundle.scorer.probability(row)
        at = datetime.now(UTC)
        answer, record = self._score(model, row, warnings, (self._new_id(at), request_id), at, started, probability)
        self._record([record])
        if request_id:
            self._remember(request_id, row, answer)
        self.on_answered([answer])
        return answer

    def predict_batch(self, body: bytes, request_id: str, started: float) -> list[Prediction]:
        """Predict `{"instances": [{…}, …]}`, all or none.

        Raises the same errors as `predict`, with the instance's index.
        """
        return self.predict_rows(self.read_batch(body), request_id, started)

    def read_batch(self, body: bytes) -> list[CheckedInstance]:
        """Decode and validate the rows of a JSON batch. Thread-safe. Raises ApiError."""
        check_elements(body, batch_elements(self.n_features))
        rows = self._decoder.rows(body)
        if rows is not None and 1 <= len(rows) <= MAX_BATCH:
            return [(row, ()) for row in rows]
        n_instances = n_items(body, "instances")
        if n_instances is not None and n_instances > MAX_BATCH:
            raise wrong_batch(f"{n_instances:,}")
        return self.read_instances(field_of(decode_json(body), "instances"))

    def read_instances(self, instances: Any) -> list[CheckedInstance]:
        """Validate decoded rows. Thread-safe. Raises ApiError."""
        self._model()
        return [_row_of(c) for c in self._check_batch(instances)]

    def predict_rows(self, rows: Sequence[CheckedInstance], request_id: str, started: float) -> list[Prediction]:
        """Predict validated rows; call this in the event loop's thread. Raises the same errors as `predict`."""
        model = self._model()
        at = datetime.now(UTC)
        batch_id = self._new_id(at)
        ids = [(f"{batch_id}-{i}", f"{request_id}-{i}" if request_id else "") for i in range(len(rows))]
        earlier = [self._earlier(i[1], row) if request_id else None for i, (row, _) in zip(ids, rows, strict=True)]
        fresh = [(i, *row) for i, row, answer in zip(ids, rows, earlier, strict=True) if answer is None]
        probabilities = model.bundle.scorer.probabilities([row for _, row, _ in fresh])
        scored = {
            i: self._score(model, row, warnings, i, at, started, probability)
            for (i, row, warnings), probability in zip(fresh, probabilities, strict=True)
        }
        self._record([record for _, record in scored.values()])
        if request_id:
            for answer, record in scored.values():
                self._remember(answer.request_id, record.features, answer)
        self.on_answered([answer for answer, _ in scored.values()])
        return [answer or scored[i][0] for i, answer in zip(ids, earlier, strict=True)]

    def _check_batch(self, instances: Any) -> list[CheckedRow]:
        if not isinstance(instances, list) or not 1 <= len(instances) <= MAX_BATCH:
            raise wrong_batch(f"{len(instances):,}" if isinstance(instances, list) else type(instances).__name__)
        checked = [self._check_row(instance) for instance in instances]
        errors = [f"instances[{i}]: {e}" for i, c in enumerate(checked) for e in c.errors]
        if errors:
            warnings = [f"instances[{i}]: {w}" for i, c in enumerate(checked) for w in c.warnings]
            raise api_errors.invalid_payload(errors, warnings)
        return checked

    def _check_row(self, features: Any) -> CheckedRow:
        """Validate a row. Its size is checked first, because each unknown feature causes a warning."""
        max_values = self.n_features + MAX_UNKNOWN
        if isinstance(features, Mapping) and len(features) > max_values:
            return CheckedRow(None, (f"features: expected at most {max_values} values, found {len(features):,}",), ())
        return self._validate(features)

    def _model(self) -> ServedModel:
        model = self._follower.model
        if model is None:
            has_problem = bool(self._follower.problem)
            raise api_errors.no_model(api_errors.HIDDEN if has_problem else _NO_MODEL_YET)
        return model

    def _score(
        self,
        model: ServedModel,
        row: Row,
        warnings: tuple[str, ...],
        ids: tuple[str, str],
        answered_at: datetime,
        started: float,
        probability: float,
    ) -> tuple[Prediction, PredictionRecord]:
        """Build the prediction and its record.

        `ids`: the prediction id and the client's request id, which may be empty.
        """
        prediction_id, client_id = ids
        prediction = int(probability >= DECISION_THRESHOLD)
        latency_ms = (time.perf_counter() - started) * 1000
        record = PredictionRecord(
            prediction_id,
            answered_at,
            model.name,
            model.version,
            prediction,
            probability,
            latency_ms,
            row,
            client_id or None,
        )
        answer = Prediction(
            client_id or prediction_id,
            prediction,
            probability,
            model.name,
            model.version,
            round(latency_ms, 4),
            warnings,
        )
        return answer, record

    def _record(self, records: Sequence[PredictionRecord]) -> None:
        try:
            self._spool.append(records)
        except SpoolWriteError as error:
            raise api_errors.not_recorded(error.message) from None

    def _earlier(self, request_id: str, row: Row) -> Prediction | None:
        """Return this worker's earlier prediction for the same id and row, and count a repeated request."""
        answer = self._remembered.get((request_id, row))
        if answer is not None:
            self._metrics.repeated_requests.labels("same").inc()
        return answer

    def _remember(self, request_id: str, row: Row, answer: Prediction) -> None:
        self._remembered[request_id, row] = answer
        if len(self._remembered) > REMEMBERED_REQUESTS:
            self._remembered.popitem(last=False)

    def _count_and_log(self, answers: Sequence[Prediction]) -> None:
        for a in answers:
            seconds = a.latency_ms / 1000
            self._metrics.predicted(a.model_name, a.model_version, a.prediction, seconds, a.probability)
            self._log_due += self._log_share
            if self._log_due < 1:
                continue
            self._log_due -= 1
            self.line.write(
                PredictionLine(a.request_id, a.prediction, a.probability, a.latency_ms, a.model_name, a.model_version)
            )


def _row_of(checked: CheckedRow) -> CheckedInstance:
    assert checked.row is not None
    return checked.row, checked.warnings


def wrong_batch(size: str) -> api_errors.ApiError:
    return api_errors.invalid_payload([f"instances: expected an array of 1 to {MAX_BATCH:,} rows, found {size}"])


def check_request_id(request_id: str) -> str:
    """Return the client's request id if it is valid. Raises ApiError."""
    if len(request_id) <= MAX_REQUEST_ID and request_id.isascii() and request_id.isprintable():
        return request_id
    raise api_errors.invalid_payload([f"X-Request-ID: expected at most {MAX_REQUEST_ID} printable ASCII characters"])


def field_of(body: Any, name: str) -> Any:
    """Return a field of a decoded body. Raises ApiError if the body is not an object or lacks the field."""
    if not isinstance(body, Mapping) or name not in body:
        raise api_errors.invalid_payload([f'body: expected an object {{"{name}": …}}'])
    return body[name]
