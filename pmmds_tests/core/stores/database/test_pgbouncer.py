"""PMMDS works through PgBouncer in transaction mode, where each transaction may use another connection."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from pmmds_core.config.settings import Settings
from pmmds_core.contracts.contract import Contract
from pmmds_core.deployment import Deployment
from pmmds_core.errors import DatabaseUnavailableError
from pmmds_core.profiling.reference_profile import fit_profile
from pmmds_core.stores.database.engine import open_database
from pmmds_core.stores.database.schema import migrate
from pmmds_core.stores.predictions.label_history import LabelItem
from pmmds_core.workflows.log_archiving import archive_due_days
from pmmds_core.workflows.promotion import put_into_production
from pmmds_serving.shipping.shipper import Shipper
from pmmds_serving.spool.segment import Segment, encode_record
from pmmds_tests.core.workflows.test_promotion import decide
from pmmds_tests.harness.fakes import FileRegistry
from pmmds_tests.harness.pgbouncer import pgbouncer
from pmmds_tests.harness.postgres import Cluster
from pmmds_tests.harness.prediction_records import NOON, columns_of, make_records

pytestmark = pytest.mark.postgres


@pytest.fixture
def bounced(postgres_cluster: Cluster, postgres_url: str, contract: Contract, tmp_path: Path) -> Iterator[Settings]:
    """Settings for a database that is migrated and used through PgBouncer."""
    with pgbouncer(postgres_cluster) as port:
        url = f"postgresql://ann:secret@127.0.0.1:{port}/{postgres_url.rpartition('/')[2]}"
        settings = Settings(home=str(tmp_path / "home"), database_url=url, retention_days=1)
        database = open_database(settings)
        migrate(database, contract)
        yield settings
        database.close()


def every_shipper(settings: Settings, contract: Contract, n_shippers: int) -> int:
    """Ship spool segments of 500 rows each from several homes concurrently. Returns the number of logged rows."""

    def ship(number: int) -> bool:
        deployment = Deployment(settings)
        folder = Path(settings.home) / f"spool-{number}"
        folder.mkdir(parents=True)
        records = make_records(contract, 500, prefix=f"s{number}-", seed=number)
        segment = Segment.create(folder, "left", contract.feature_names)
        segment.write(b"".join(map(encode_record, records)))
        segment.close()
        shipped = all(
            Shipper(folder, lambda: deployment.prediction_log, contract.feature_names).ship() for _ in range(2)
        )
        deployment.database.close()
        return shipped

    with ThreadPoolExecutor(n_shippers) as pool:
        assert all(pool.map(ship, range(n_shippers)))
    return Deployment(settings).prediction_log.count()


def test_rows_are_shipped_and_the_alias_moves_once_through_pgbouncer(
    bounced: Settings, contract: Contract, tmp_path: Path
) -> None:
    assert every_shipper(bounced, contract, 6) == 3000
    d, registry = Deployment(bounced), FileRegistry(tmp_path / "alias")
    first = put_into_production(decide(d.decisions, "1", None), d.decisions, registry)
    assert first.moved
    decision = decide(d.decisions, "2", "1")

    def promote(_: int) -> object:
        own = Deployment(bounced)
        return put_into_production(decision, own.decisions, registry)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(promote, range(6)))
    assert registry.moves == ["1", "2"]
    pointer = d.decisions.pointer()
    assert pointer is not None
    assert (pointer.version, pointer.fencing_token) == ("2", 2)


def test_monitoring_and_labels_and_the_archive_work_through_pgbouncer(bounced: Settings, contract: Contract) -> None:
    deployment = Deployment(bounced)
    records = make_records(contract, 400)
    deployment.prediction_log.append(records)
    labels = [LabelItem(r.request_id, 1, NOON) for r in records]
    for _ in range(8):  # By default, psycopg prepares statements after several runs.
        deployment.ground_truth.add(labels)
        assert deployment.prediction_log.summary().n_rows == 400
    profile = fit_profile(contract, columns_of(contract, records), np.array([r.probability for r in records]))
    assert (
        deployment.histograms.refresh(lambda _: profile, deployment.model_name, NOON, NOON + timedelta(hours=1)).n_rows
        == 400
    )
    (part,) = archive_due_days(deployment, NOON + timedelta(days=9)).parts
    assert (part.n_rows, deployment.prediction_log.count(), deployment.ground_truth.labelled_rows().n_rows) == (
        400,
        0,
        400,
    )


def test_the_error_for_a_wrong_password_does_not_show_the_password(bounced: Settings) -> None:
    url = bounced.database_url.replace("secret", "hunter2")
    with pytest.raises(DatabaseUnavailableError, match="rejected the user name or password") as raised:
        open_database(Settings(database_url=url)).ping()
    assert "hunter2" not in str(raised.value)
    assert "\n" not in str(raised.value)
