"""Stores labels, which arrive after the prediction, and reads labeled rows.

Add queries about labels here. Not here: splitting labeled rows (training/split.py), metrics
(statistics/classification.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from pmmds_core.contracts.contract import Contract, Feature
from pmmds_core.evaluation.label_delays import LabelDelays
from pmmds_core.evaluation.labelled_rows import LabelledRows
from pmmds_core.stores.database.dialects import insert, lock_writers
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import client_request_ids, ground_truth, label_observations, prediction_logs
from pmmds_core.stores.predictions.archive import PredictionArchive, logged_rows
from pmmds_core.stores.predictions.label_history import (
    LabelItem,
    LabelObservation,
    Source,
    first_arrivals,
    history_of,
    keep_observations,
)
from pmmds_core.stores.predictions.label_matching import count_waiting, match_by_id, stop_waiting, waiting_items
from pmmds_core.stores.predictions.request_keys import requests_named

_IDS_PER_QUERY = 1000


@dataclass(frozen=True)
class FeedbackCounts:
    """The number of items with each result.

    The five numbers add up to the number of items. An item is `accepted` if it is the first label of a request, and
    `updated` if it replaces a label that was not observed later. It is `unknown` if the request is not logged, so that
    the label waits. It is `outdated` if the current label was observed later, and then only stored as history. It is
    `ambiguous` if the client id names several rows, so that the label waits without being assigned to any of them.
    """

    accepted: int
    updated: int
    unknown: int
    outdated: int
    ambiguous: int = 0


@dataclass(frozen=True)
class LabelSummary:
    """The totals of the labels. `digest` changes whenever a label is added or replaced."""

    n_rows: int
    n_positive: int
    newest_observed_at: datetime | None
    newest_received_at: datetime | None
    digest: str


class GroundTruthStore:
    """The store of labels, which also reads labeled rows."""

    def __init__(self, database: Database, contract: Contract, archive: PredictionArchive | None = None) -> None:
        self._database = database
        self._contract = contract
        self._log = prediction_logs(contract)
        self._archive = archive

    def add(self, items: Iterable[LabelItem], *, source: Source = "feedback") -> FeedbackCounts:
        """Store the most recently observed label of each logged request. The call is atomic and idempotent.

        An item names its request by prediction id or client id. Items are applied in order, so the second of two items
        for one request replaces the first. Every observation is stored (see label_history). If an id matches no logged
        row or more than one, its observations wait for `match_waiting`.
        """
        given = list(items)
        now, ids = datetime.now(UTC), {item.request_id for item in given}
        with self._database.begin() as connection:
            # Serialize deliveries, so that neither of two deliveries misses the other's rows.
            lock_writers(connection, "ground_truth")
            named = requests_named(connection, self._log, ids)
            matched = {name: rows[0] for name, rows in named.items() if len(rows) == 1}
            keep_observations(connection, given, received_at=now, source=source, matched=matched)
            counts = self._put(connection, given, matched, now)
        ambiguous = sum(len(named.get(item.request_id, ())) > 1 for item in given)
        return replace(counts, unknown=counts.unknown - ambiguous, ambiguous=ambiguous)

    def match_waiting(self) -> FeedbackCounts:
        """Assign waiting labels to predictions that have been logged since.

        The call is idempotent and safe to run at any time.
        """
        with self._database.connect() as connection:  # Usually there is nothing to do, so check without the lock first.
            if not match_by_id(connection, self._log, client_request_ids):
                return FeedbackCounts(0, 0, 0, 0)
        with self._database.begin() as connection:
            lock_writers(connection, "ground_truth")
            return self._match(connection, match_by_id(connection, self._log, client_request_ids))

    def match_archived(self) -> FeedbackCounts:
        """Assign waiting labels to archived predictions. The ids in every archived part are read."""
        if self._archive is None:
            return FeedbackCounts(0, 0, 0, 0)
        with self._archive.snapshot() as connection:
            archived = self._archive.rows(connection)
            if archived is None or not count_waiting(connection):
                return FeedbackCounts(0, 0, 0, 0)
            archived.add_table(
                connection, label_observations, label_observations.c.request_id, label_observations.c.is_waiting
            )
            matched = match_by_id(archived, self._log, self._log)
        with self._database.begin() as connection:
            lock_writers(connection, "ground_truth")
            live = requests_named(connection, self._log, matched)
            return self._match(connection, {sent: own for sent, own in matched.items() if sent not in live})

    def _match(self, connection: sa.Connection, matched: dict[str, str]) -> FeedbackCounts:
        items = waiting_items(connection, matched.keys())
        counts = self._put(connection, items, matched, datetime.now(UTC))
        stop_waiting(connection, matched)
        return counts

    def _put(
        self, connection: sa.Connection, items: Sequence[LabelItem], matched: Mapping[str, str], now: datetime
    ) -> FeedbackCounts:
        """Store the labels under the prediction ids of their rows. `matched` maps ids as sent to prediction ids."""
        own = [
            msgspec.structs.replace(item, request_id=matched[item.request_id])
            for item in items
            if item.request_id in matched
        ]
        observed = self._observed(connection, dict.fromkeys(item.request_id for item in own))
        counts, newest = _classify(own, observed)
        rows = [{**msgspec.structs.asdict(item), "received_at": now} for item in newest]
        if rows:
            connection.execute(_upsert(connection), rows)
        return replace(counts, unknown=len(items) - len(own))

    def n_waiting(self) -> int:
        """Return the number of requests whose label waits because the id does not match exactly one prediction."""
        with self._database.connect() as connection:
            return count_waiting(connection)

    def n_received_since(self, since: datetime) -> int:
        """Return the number of logged requests whose label was received or corrected after `since`."""
        query = sa.select(sa.func.count()).where(ground_truth.c.received_at > since)
        with self._database.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def history(self, request_id: str) -> list[LabelObservation]:
        """Return every observation of a request's label, in the order received. `request_id` is the prediction id."""
        with self._database.connect() as connection:
            return history_of(connection, request_id)

    def delays(self) -> LabelDelays:
        """Return the delays between predictions and labels.

        They are the delay to the observation of the current label and the delay to the arrival of the first label.
        """
        log, truth, first = self._log, ground_truth, first_arrivals()
        query = (
            sa.select(log.c.predicted_at, truth.c.observed_at, first.c.received_at)
            .join_from(log, truth, log.c.request_id == truth.c.request_id)
            .join(first, first.c.request_id == log.c.request_id)
            .where(log.c.model_name == self._contract.model_name)
        )
        rows = self._from_log_and_archive(
            query, label_observations.c.matched_request_id, label_observations.c.received_at
        )
        seconds = [((seen - at).total_seconds(), (came - at).total_seconds()) for at, seen, came in rows]
        delays = np.array(seconds, dtype=np.float64).reshape(-1, 2)
        return LabelDelays(delays[:, 0], delays[:, 1])

    def label_of(self, request_id: str) -> dict[str, Any] | None:
        """Return a request's label with its observed_at and received_at, or None if the request has no label."""
        c = ground_truth.c
        query = sa.select(c.label, c.observed_at, c.received_at).where(c.request_id == request_id)
        with self._database.connect() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else dict(row)

    def summary(self) -> LabelSummary:
        """Return the totals of all labels."""
        c = ground_truth.c
        query = sa.select(
            sa.func.count(), sa.func.sum(c.label), sa.func.max(c.observed_at), sa.func.max(c.received_at)
        ).select_from(ground_truth)
        with self._database.connect() as connection:
            n_rows, n_positive, observed_at, received_at = connection.execute(query).one()
        digest = hashlib.sha256(f"{n_rows} {n_positive} {received_at}".encode()).hexdigest()
        return LabelSummary(n_rows, int(n_positive or 0), observed_at, received_at, digest)

    def labelled_rows(self) -> LabelledRows:
        """Return all labeled rows of the contract's model, ordered by predicted_at and request_id."""
        log, truth = self._log, ground_truth
        fixed = (log.c.request_id, log.c.predicted_at, log.c.model_version, log.c.probability, truth.c.label)
        features = (log.c[name] for name in self._contract.feature_names)
        query = (
            sa.select(*fixed, *features)
            .join_from(log, truth, log.c.request_id == truth.c.request_id)
            .where(log.c.model_name == self._contract.model_name)
        )
        rows = sorted(self._from_log_and_archive(query), key=lambda row: (row.predicted_at, row.request_id))
        columns = list(zip(*rows, strict=True)) or [()] * (len(fixed) + len(self._contract.features))
        return self._to_rows(columns)

    def _from_log_and_archive(self, query: sa.Select[Any], *observed: sa.ColumnElement[Any]) -> list[Any]:
        """Read rows from the database and the archive.

        `observed` names the columns of label_observations that `query` joins.
        """
        with logged_rows(self._database, self._archive) as logged:
            logged.add_table(ground_truth, *ground_truth.c)
            if observed:
                logged.add_table(label_observations, *observed)
            return logged.execute(query)

    def _to_rows(self, columns: Sequence[Sequence[Any]]) -> LabelledRows:
        request_ids, predicted_at, versions, probabilities, labels, *features = columns
        timestamps = [timestamp.replace(tzinfo=None) for timestamp in predicted_at]
        return LabelledRows(
            request_ids=_objects(request_ids),
            predicted_at=np.array(timestamps, dtype="datetime64[us]"),
            model_versions=_objects(versions),
            probabilities=np.array(probabilities, dtype=np.float64),
            labels=np.array(labels, dtype=np.int64),
            columns={f.name: _column(f, v) for f, v in zip(self._contract.features, features, strict=True)},
        )

    def _observed(self, connection: sa.Connection, observed: dict[str, datetime | None]) -> dict[str, datetime | None]:
        """Return the same requests with the observed_at of their current label, or None if there is no label."""
        truth = ground_truth
        for part in _in_parts(sorted(observed)):
            current = sa.select(truth.c.request_id, truth.c.observed_at).where(truth.c.request_id.in_(part))
            observed |= {request_id: at for request_id, at in connection.execute(current) if request_id in observed}
        return observed


def _upsert(connection: sa.Connection) -> Any:
    statement = insert(connection, ground_truth)
    new = {name: statement.excluded[name] for name in ("label", "observed_at", "received_at")}
    return statement.on_conflict_do_update(index_elements=["request_id"], set_=new)


def _classify(
    items: Sequence[LabelItem], current: dict[str, datetime | None]
) -> tuple[FeedbackCounts, list[LabelItem]]:
    """Process the items in order, and return their counts and the item to store for each request."""
    observed = dict(current)
    newest: dict[str, LabelItem] = {}
    accepted = updated = outdated = 0
    for item in items:
        last = observed[item.request_id]
        if last is not None and item.observed_at < last:
            outdated += 1
            continue
        accepted, updated = accepted + (last is None), updated + (last is not None)
        observed[item.request_id] = item.observed_at
        newest[item.request_id] = item
    return FeedbackCounts(accepted, updated, 0, outdated), list(newest.values())


def _objects(values: Sequence[Any]) -> NDArray[np.object_]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _column(feature: Feature, values: Sequence[Any]) -> NDArray[Any]:
    if not feature.is_numeric:
        return _objects(values)
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _in_parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _IDS_PER_QUERY):
        yield ids[start : start + _IDS_PER_QUERY]
