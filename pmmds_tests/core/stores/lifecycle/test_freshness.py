"""The newest rows of each kind, on both engines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from pmmds_core.contracts.contract import Contract
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import histogram_watermarks
from pmmds_core.stores.lifecycle.freshness import Freshness, read_freshness
from pmmds_core.stores.predictions.label_history import LabelItem
from pmmds_core.stores.predictions.labels import GroundTruthStore
from pmmds_core.stores.predictions.log import PredictionLog
from pmmds_tests.console.stored_rows import START, add_reports
from pmmds_tests.harness.prediction_records import make_records

HOUR = timedelta(hours=1)


def test_an_empty_database_has_no_newest_rows(database: Database, contract: Contract) -> None:
    assert read_freshness(database, contract) == Freshness(None, None, None, None, 0)


def test_the_newest_row_of_each_kind_is_found(database: Database, contract: Contract) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    log = PredictionLog(database, contract)
    log.append(make_records(contract, 3, start=now - 2 * HOUR, step=HOUR))
    labels = GroundTruthStore(database, contract)
    labels.add([LabelItem("r1", 1, now), LabelItem("not-logged", 0, now)])
    add_reports(database, contract.model_name, 5)
    with database.begin() as connection:
        values = {"model_name": contract.model_name, "ingested_through": now - HOUR}
        connection.execute(sa.insert(histogram_watermarks), values)
    found = read_freshness(database, contract)
    assert found.newest_prediction == now
    assert found.newest_report == START + 4 * HOUR
    assert found.counted_through == now - HOUR
    assert found.newest_label is not None
    assert abs(found.newest_label - now) < timedelta(minutes=5)
    assert found.n_waiting_labels == 1
