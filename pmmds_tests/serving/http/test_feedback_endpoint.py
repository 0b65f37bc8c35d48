"""POST /api/v1/feedback stores labels, keeps the newest per request, and rejects all if one is bad."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from pmmds_core.contracts.contract import Contract
from pmmds_core.deployment import Deployment
from pmmds_tests.harness.service_requests import (
    FEEDBACK,
    predicted,
    refusal,
)

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("service")]


def labels(*items: tuple[str, int], **more: str) -> dict[str, Any]:
    return {"items": [{"request_id": request_id, "label": label, **more} for request_id, label in items]}


Counts = dict[str, int]


def counts(accepted: int = 0, updated: int = 0, unknown: int = 0, outdated: int = 0, ambiguous: int = 0) -> Counts:
    found = {"accepted": accepted, "updated": updated, "unknown": unknown, "outdated": outdated}
    return {**found, "ambiguous": ambiguous}


def known_labels(stores: Deployment, *request_ids: str) -> dict[str, int]:
    labelled = stores.ground_truth.labelled_rows()
    known = dict(zip(labelled.request_ids, labelled.labels, strict=True))
    return {request_id: int(known[request_id]) for request_id in request_ids if request_id in known}


def test_feedback_right_after_the_prediction_is_stored(
    client: httpx.Client, contract: Contract, stores: Deployment
) -> None:
    one, two = predicted(client, contract), predicted(client, contract)
    response = client.post(FEEDBACK, json=labels((one, 1), (two, 0), ("nobody", 1)))
    assert (response.status_code, response.json()) == (200, counts(accepted=2, unknown=1))
    assert known_labels(stores, one, two, "nobody") == {one: 1, two: 0}


def test_a_repeated_label_changes_nothing_and_the_newest_wins(
    client: httpx.Client, contract: Contract, stores: Deployment
) -> None:
    request_id = predicted(client, contract)
    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)

    def tell(label: int, hours: int) -> Any:
        at = (noon + timedelta(hours=hours)).isoformat()
        return client.post(FEEDBACK, json=labels((request_id, label), observed_at=at)).json()

    assert tell(1, 0) == counts(accepted=1)
    assert tell(1, 0) == counts(updated=1)
    assert tell(0, 2) == counts(updated=1)
    assert tell(1, 1) == counts(outdated=1)
    assert known_labels(stores, request_id) == {request_id: 0}


def test_bad_labels_are_rejected_by_index_and_none_is_stored(
    client: httpx.Client, contract: Contract, stores: Deployment
) -> None:
    request_id = predicted(client, contract)
    expected = "Expected an ISO 8601 timestamp such as 2026-03-01T12:00:00Z"
    number = f"{expected}; a number such as seconds or milliseconds since 1970 is not accepted"
    items: list[Any] = [{"request_id": request_id, "label": 1}, {"label": 1}, {"request_id": request_id, "label": 2}, 7]
    items += [{"request_id": request_id, "label": 1, "observed_at": at} for at in ("yesterday", "", 0, "1770010112345")]
    items += [{"request_id": "a\0b", "label": 1}]
    response = client.post(FEEDBACK, json={"items": items})
    assert response.status_code == 400
    assert response.json() == refusal(
        "items[1]: Missing required field: request_id",
        "items[2]: Invalid value for label: '2'. Expected one of: No, Yes, 0, 1, false, true",
        "items[3]: expected an object with request_id and label",
        f"items[4]: Invalid value for observed_at: 'yesterday'. {expected}",
        f"items[5]: Invalid value for observed_at: ''. {expected}",
        f"items[6]: Invalid value for observed_at: '0'. {number}",
        f"items[7]: Invalid value for observed_at: '1770010112345'. {number}",
        "items[8]: Invalid value for request_id: 'a\\x00b'. Expected at most 128 printable ASCII characters",
    )
    assert known_labels(stores, request_id) == {}


def test_a_label_outside_the_allowed_time_range_is_rejected(
    client: httpx.Client, contract: Contract, stores: Deployment
) -> None:
    request_id = predicted(client, contract)
    soon, later = ((datetime.now(UTC) + timedelta(hours=hours)).isoformat() for hours in (23, 25))
    response = client.post(FEEDBACK, json=labels((request_id, 1), observed_at=later))
    assert response.status_code == 400
    (error,) = response.json()["detail"]["errors"]
    assert error.startswith(
        f"items[0]: Invalid value for observed_at: {later!r}. Expected a time from 2000-01-01 to 20"
    )
    early = client.post(FEEDBACK, json=labels((request_id, 1), observed_at="0001-01-01T00:00:00Z"))
    assert "Expected a time from 2000-01-01 to 20" in early.json()["detail"]["errors"][0]
    assert known_labels(stores, request_id) == {}
    # A time slightly in the future is accepted, because the client's clock or time zone may be wrong.
    assert client.post(FEEDBACK, json=labels((request_id, 1), observed_at=soon)).json() == counts(accepted=1)


@pytest.mark.parametrize(("items", "found"), [([], "0"), ("x", "str"), ([{}] * 10_001, "10,001")])
def test_feedback_has_1_to_10000_labels(client: httpx.Client, items: Any, found: str) -> None:
    response = client.post(FEEDBACK, json={"items": items})
    assert response.status_code == 400
    assert response.json() == refusal(f"items: expected an array of 1 to 10,000 labels, found {found}")


@pytest.mark.parametrize(("label", "code"), [("Yes", 1), ("no", 0), (True, 1), (False, 0), ("true", 1), ("1", 1)])
def test_labels_accept_the_same_values_as_a_label_file(
    client: httpx.Client, contract: Contract, stores: Deployment, label: Any, code: int
) -> None:
    request_id = predicted(client, contract)
    sent = {"request_id": request_id, "label": label, "observed_at": "2026-01-31 12:00:00"}
    assert client.post(FEEDBACK, json={"items": [sent]}).json() == counts(accepted=1)
    assert known_labels(stores, request_id) == {request_id: code}
