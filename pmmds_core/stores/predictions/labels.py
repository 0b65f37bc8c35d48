"""The truth: labels that arrive after the prediction, and the logged rows whose truth is known.

Add a question about labels here. Keep out: splitting labelled rows (training/split.py), metrics
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
    arrived,
    count_waiting,
    first_arrivals,
    history_of,
    keep_observations,
    stop_waiting,
    waiting_items,
)
from pmmds_core.stores.predictions.request_keys import requests_named

_IDS_PER_QUERY = 1000


@dataclass(frozen=True)
class FeedbackCounts:
    """What became of the items; the five add up to how many there were.

    `accepted`: first label of a request. `updated`: took the place of one observed no later. `unknown`: no such
    request is logged; kept aside until it is. `outdated`: a label observed later stands; this one is history.
    `ambiguous`: the client's id names several rows; kept aside, and given to none of them.
    """

    accepted: int
    updated: int
    unknown: int
    outdated: int
    ambiguous: int = 0


@dataclass(frozen=True)
class LabelSummary:
    """What the labels are, in a few numbers. `digest` differs whenever a label was added or replaced."""

    n_rows: int
    n_positive: int
    newest_observed_at: datetime | None
    newest_received_at: datetime | None
    digest: str


class GroundTruthStore:
    """Writes labels and reads labelled rows."""

    def __init__(self, database: Database, contract: Contract, archive: PredictionArchive | None = None) -> None:
        self._database = database
        self._contract = contract
        self._log = prediction_logs(contract)
        self._archive = archive

    def add(self, items: Iterable[LabelItem], *, source: Source = "feedback") -> FeedbackCounts:
        """Keep the newest truth of every logged request, all or nothing; the same items may come twice.

        An item names its request by the service's id or by the client's. Items count in their order, so of two for one
        request the second updates the first. Every observation is kept (label_history); those of requests that are not
        logged wait for `match_waiting`, and so do those whose id names several rows.
        """
        given = list(items)
        now, ids = datetime.now(UTC), {item.request_id for item in given}
        with self._database.begin() as connection:
            lock_writers(connection, "ground_truth")  # one delivery at a time, so that two cannot miss each other
            named = requests_named(connection, self._log, ids)
            matched = {name: rows[0] for name, rows in named.items() if len(rows) == 1}
            keep_observations(connection, given, received_at=now, source=source, matched=matched)
            counts = self._put(connection, given, matched, now)
        ambiguous = sum(len(named.get(item.request_id, ())) > 1 for item in given)
        return replace(counts, unknown=counts.unknown - ambiguous, ambiguous=ambiguous)

    def match_waiting(self) -> FeedbackCounts:
        """Give labels that came first to predictions that have been logged since. May run at any time, and twice."""
        with self._database.connect() as connection:  # mostly there is nothing to do, and then nobody has to wait
            if not arrived(connection, self._log, client_request_ids):
                return FeedbackCounts(0, 0, 0, 0)
        with self._database.begin() as connection:
            lock_writers(connection, "ground_truth")
            return self._match(connection, arrived(connection, self._log, client_request_ids))

    def match_archived(self) -> FeedbackCounts:
        """Give waiting labels to predictions that have been archived. Reads the ids of every part."""
        if self._archive is None:
            return FeedbackCounts(0, 0, 0, 0)
        with self._archive.snapshot() as connection:
            archived = self._archive.rows(connection)
            if archived is None or not count_waiting(connection):
                return FeedbackCounts(0, 0, 0, 0)
            archived.bring(
                connection, label_observations, label_observations.c.request_id, label_observations.c.is_waiting
            )
            matched = arrived(archived, self._log, self._log)
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
        """Store the labels under the service ids of their rows. `matched`: id as it was sent to the row's."""
        own = [
            msgspec.structs.replace(item, request_id=matched[item.request_id])
            for item in items
            if item.request_id in matched
        ]
        observed = self._observed(connection, dict.fromkeys(item.request_id for item in own))
        counts, newest = _sort_out(own, observed)
        rows = [{**msgspec.structs.asdict(item), "received_at": now} for item in newest]
        if rows:
            connection.execute(_upsert(connection), rows)
        return replace(counts, unknown=len(items) - len(own))

    def n_waiting(self) -> int:
        """Requests whose label has come and whose prediction has not, or which are several."""
        with self._database.connect() as connection:
            return count_waiting(connection)

    def n_received_since(self, instant: datetime) -> int:
        """Labels of logged requests that arrived, or were corrected, after then."""
        query = sa.select(sa.func.count()).where(ground_truth.c.received_at > instant)
        with self._database.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def history(self, request_id: str) -> list[LabelObservation]:
        """Every observation of a request's label, in the order they came. `request_id`: the service's."""
        with self._database.connect() as connection:
            return history_of(connection, request_id)

    def delays(self) -> LabelDelays:
        """How long after its prediction each label in force was observed, and the first one of the request came."""
        log, truth, first = self._log, ground_truth, first_arrivals()
        query = (
            sa.select(log.c.predicted_at, truth.c.observed_at, first.c.received_at)
            .join_from(log, truth, log.c.request_id == truth.c.request_id)
            .join(first, first.c.request_id == log.c.request_id)
            .where(log.c.model_name == self._contract.model_name)
        )
        rows = self._both(query, label_observations.c.matched_request_id, label_observations.c.received_at)
        seconds = [((seen - at).total_seconds(), (came - at).total_seconds()) for at, seen, came in rows]
        found = np.array(seconds, dtype=np.float64).reshape(-1, 2)
        return LabelDelays(found[:, 0], found[:, 1])

    def label_of(self, request_id: str) -> dict[str, Any] | None:
        """Label, observed_at and received_at of a request; None when its truth is not known."""
        c = ground_truth.c
        query = sa.select(c.label, c.observed_at, c.received_at).where(c.request_id == request_id)
        with self._database.connect() as connection:
            found = connection.execute(query).mappings().first()
        return None if found is None else dict(found)

    def summary(self) -> LabelSummary:
        c = ground_truth.c
        query = sa.select(
            sa.func.count(), sa.func.sum(c.label), sa.func.max(c.observed_at), sa.func.max(c.received_at)
        ).select_from(ground_truth)
        with self._database.connect() as connection:
            n_rows, n_positive, observed_at, received_at = connection.execute(query).one()
        digest = hashlib.sha256(f"{n_rows} {n_positive} {received_at}".encode()).hexdigest()
        return LabelSummary(n_rows, int(n_positive or 0), observed_at, received_at, digest)

    def labelled_rows(self) -> LabelledRows:
        """Every logged row of the contract's model whose truth is known, by predicted_at, then request_id."""
        log, truth = self._log, ground_truth
        fixed = (log.c.request_id, log.c.predicted_at, log.c.model_version, log.c.probability, truth.c.label)
        features = (log.c[name] for name in self._contract.feature_names)
        query = (
            sa.select(*fixed, *features)
            .join_from(log, truth, log.c.request_id == truth.c.request_id)
            .where(log.c.model_name == self._contract.model_name)
        )
        rows = sorted(self._both(query), key=lambda row: (row.predicted_at, row.request_id))
        columns = list(zip(*rows, strict=True)) or [()] * (len(fixed) + len(self._contract.features))
        return self._to_rows(columns)

    def _both(self, query: sa.Select[Any], *observed: sa.ColumnElement[Any]) -> list[Any]:
        """Rows of the database and of the archive. `observed`: columns of label_observations that `query` joins."""
        with logged_rows(self._database, self._archive) as logged:
            logged.bring(ground_truth, *ground_truth.c)
            if observed:
                logged.bring(label_observations, *observed)
            return logged.execute(query)

    def _to_rows(self, columns: Sequence[Sequence[Any]]) -> LabelledRows:
        request_ids, predicted_at, versions, probabilities, labels, *features = columns
        instants = [instant.replace(tzinfo=None) for instant in predicted_at]
        return LabelledRows(
            request_ids=_objects(request_ids),
            predicted_at=np.array(instants, dtype="datetime64[us]"),
            model_versions=_objects(versions),
            probabilities=np.array(probabilities, dtype=np.float64),
            labels=np.array(labels, dtype=np.int64),
            columns={f.name: _column(f, v) for f, v in zip(self._contract.features, features, strict=True)},
        )

    def _observed(self, connection: sa.Connection, known: dict[str, datetime | None]) -> dict[str, datetime | None]:
        """The same requests, with when their present label was observed."""
        truth = ground_truth
        for part in _in_parts(sorted(known)):
            present = sa.select(truth.c.request_id, truth.c.observed_at).where(truth.c.request_id.in_(part))
            known |= {request_id: at for request_id, at in connection.execute(present) if request_id in known}
        return known


def _upsert(connection: sa.Connection) -> Any:
    statement = insert(connection, ground_truth)
    new = {name: statement.excluded[name] for name in ("label", "observed_at", "received_at")}
    return statement.on_conflict_do_update(index_elements=["request_id"], set_=new)


def _sort_out(items: Sequence[LabelItem], known: dict[str, datetime | None]) -> tuple[FeedbackCounts, list[LabelItem]]:
    """Count the items one after another, and the one of each request that is to be stored."""
    observed = dict(known)
    newest: dict[str, LabelItem] = {}
    accepted = updated = outdated = 0
    for item in items:
        present = observed[item.request_id]
        if present is not None and item.observed_at < present:
            outdated += 1
            continue
        accepted, updated = accepted + (present is None), updated + (present is not None)
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
