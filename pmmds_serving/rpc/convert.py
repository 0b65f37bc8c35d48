"""Converts between the messages of prediction.proto and the service's types.

Not here: the methods (methods.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from pmmds_core.contracts.contract import FeatureValue
from pmmds_core.stores.predictions.labels import FeedbackCounts
from pmmds_serving import api_errors
from pmmds_serving.generated.pmmds.v1 import prediction_pb2 as messages
from pmmds_serving.prediction.predictor import Prediction


def features_of(values: Mapping[str, messages.FeatureValue], most: int) -> dict[str, FeatureValue]:
    """Convert a row's features to a mapping from names to str, int, float or None, as in decoded JSON.

    Raise ApiError if a feature is invalid.
    """
    if len(values) > most:
        raise api_errors.invalid_payload([f"features: expected at most {most} values, found {len(values):,}"])
    # A nonempty text_value is used directly, because most values are text and WhichOneof is slow.
    return {name: value.text_value or _value_of(value) for name, value in values.items()}


def _value_of(value: messages.FeatureValue) -> FeatureValue:
    kind = value.WhichOneof("value")
    return None if kind is None or kind == "null_value" else getattr(value, kind)


def instances_of(request: messages.PredictBatchRequest, most: int) -> list[dict[str, FeatureValue]]:
    """Convert the rows of a batch, in order. Raise ApiError if a row has more than `most` features."""
    return [features_of(instance.features, most) for instance in request.instances]


def items_of(request: messages.SendFeedbackRequest) -> list[dict[str, Any]]:
    """Convert labels to the items of the HTTP endpoint, so that the same code validates labels from both."""
    return [
        {
            "request_id": label.request_id,
            "label": label.label if label.HasField("label") else None,
            "observed_at": _timestamp(label.observed_at) if label.HasField("observed_at") else None,
        }
        for label in request.items
    ]


def _timestamp(observed_at: Timestamp) -> str:
    """Format as RFC 3339. Outside the years 1 to 9999, return `seconds.nanos`, which runtime/timestamps.py rejects."""
    try:
        return observed_at.ToJsonString()
    except ValueError:
        return f"{observed_at.seconds}.{observed_at.nanos}"


def prediction_message(answer: Prediction) -> messages.PredictResponse:
    return messages.PredictResponse(
        request_id=answer.request_id,
        prediction=answer.prediction,
        probability=answer.probability,
        model_name=answer.model_name,
        model_version=answer.model_version,
        latency_ms=answer.latency_ms,
        warnings=answer.warnings,
    )


def batch_message(answers: Sequence[Prediction]) -> messages.PredictBatchResponse:
    return messages.PredictBatchResponse(predictions=[prediction_message(answer) for answer in answers])


def model_message(document: Mapping[str, Any]) -> messages.GetModelResponse:
    """Convert the document of GET /model to a message."""
    loaded_at = Timestamp()
    loaded_at.FromDatetime(document["loaded_at"])
    return messages.GetModelResponse(
        name=document["name"],
        version=document["version"],
        alias=document["alias"],
        loaded_at=loaded_at,
        digest=document["digest"],
        scorer=document["scorer"],
        metrics=document["metrics"],
        workers=[messages.ServingWorker(**worker) for worker in document["workers"]],
    )


def counts_message(counts: FeedbackCounts) -> messages.SendFeedbackResponse:
    return messages.SendFeedbackResponse(
        accepted=counts.accepted,
        updated=counts.updated,
        unknown=counts.unknown,
        outdated=counts.outdated,
        ambiguous=counts.ambiguous,
    )
