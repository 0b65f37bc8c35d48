"""A pipeline without a portable scorer is trained from custom candidates and served with a DataFrame."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from pmmds_core.contracts.contract import Contract
from pmmds_core.errors import ArtifactCorruptError, ModelError, SettingError
from pmmds_core.models.bundle import MANIFEST, load_bundle
from pmmds_core.models.pipeline_scorer import PIPELINE, FrameColumns, PipelineScorer, load_pipeline
from pmmds_core.stores.artifacts.model_registry import PRODUCTION
from pmmds_core.training.custom_candidates import load_candidates
from pmmds_core.training.pipelines import CANDIDATES
from pmmds_tests.harness.service_process import running_service, service_environment
from pmmds_tests.harness.service_requests import BATCH, PREDICT, example, is_logged, rows
from pmmds_tests.harness.trained_versions import trained

TUTORIALS = Path(__file__).parents[3] / "docs" / "tutorials"
TRAINS_A_FOREST = {"PMMDS_TRAIN_CANDIDATES": "own_candidates:ONLY_FOREST", "PMMDS_MODEL_PICKLE": "allowed"}


@pytest.fixture
def tutorials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TUTORIALS))


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.xdist_group("service")
@pytest.mark.usefixtures("tutorials")
def test_a_random_forest_is_trained_promoted_and_served(tmp_path: Path, contract: Contract) -> None:
    deployment = trained(tmp_path / "home", TRAINS_A_FOREST, pythonpath=TUTORIALS)
    version = deployment.registry.version_of(deployment.model_name, PRODUCTION)
    assert version is not None
    bundle = deployment.profiles.bundle(version.version)
    assert bundle.manifest.scorer_kind == "scikit_learn_pipeline"
    environment = service_environment(tmp_path / "home", deployment.registry.tracking_uri, PYTHONPATH=str(TUTORIALS))
    environment["PMMDS_MODEL_PICKLE"] = "allowed"
    sent = rows(contract, 20)
    expected = bundle.scorer.probabilities([tuple(row.values()) for row in sent])
    with running_service(environment) as service:
        one = service.client.post(PREDICT, json=example(contract)).json()
        many = service.client.post(BATCH, json={"instances": sent}).json()["predictions"]
        assert service.client.get("/model").json()["scorer"] == "scikit_learn_pipeline"
        is_logged(deployment, one["request_id"], *(a["request_id"] for a in many))
    assert one["probability"] == bundle.scorer.probability(tuple(contract.example().values()))
    np.testing.assert_allclose([a["probability"] for a in many], expected, atol=1e-12)


@pytest.mark.slow
@pytest.mark.usefixtures("tutorials")
def test_a_changed_pipeline_is_rejected_before_it_is_loaded(tmp_path: Path) -> None:
    deployment = trained(tmp_path / "home", TRAINS_A_FOREST, pythonpath=TUTORIALS)
    folder = deployment.profiles.bundle("1").directory
    assert (folder / MANIFEST).exists()
    pickled = bytearray((folder / PIPELINE).read_bytes())
    pickled[len(pickled) // 2] ^= 1
    (folder / PIPELINE).write_bytes(pickled)
    with pytest.raises(ArtifactCorruptError, match=f"{PIPELINE} in .* does not match its sha256"):
        load_bundle(folder)


def test_missing_scikit_learn_error_names_the_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ModelError, match=r"is not installed here\. pip install 'pmmds\[dataframe\]'"):
        load_pipeline(FrameColumns(("a",), ("a",), "1.0"), b"")


def test_a_pickle_of_another_scikit_learn_version_is_rejected() -> None:
    with pytest.raises(ArtifactCorruptError, match=r"scikit-learn 0\.1, "):
        load_pipeline(FrameColumns(("a",), ("a",), "0.1"), b"not a pickle")


def test_missing_values_reach_the_pipeline_as_in_training() -> None:
    class Seen:
        def predict_proba(self, frame: object) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
            self.frame = frame
            return np.array([[0.25, 0.75]])

    pipeline = Seen()
    assert PipelineScorer(FrameColumns(("n", "t"), ("n",), "1"), pipeline).probability((None, None)) == 0.75
    assert str(pipeline.frame).split() == ["n", "t", "0", "NaN", "None"]


@pytest.mark.usefixtures("tutorials")
def test_candidates_are_loaded_by_module_and_name() -> None:
    assert load_candidates("") is CANDIDATES
    assert list(load_candidates("own_candidates:CANDIDATES")) == ["logistic_regression", "random_forest"]


@pytest.mark.usefixtures("tutorials")
@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("own_candidates", "it has no colon"),
        ("nowhere_at_all:CANDIDATES", "No module named 'nowhere_at_all'"),
        ("own_candidates:NOTHING", "own_candidates has no NOTHING"),
        ("own_candidates:random_forest", "random_forest is function"),
    ],
)
def test_unusable_candidates_raise_a_setting_error(place: str, reason: str) -> None:
    with pytest.raises(SettingError, match="PMMDS_TRAIN_CANDIDATES") as rejected:
        load_candidates(place)
    assert repr(place) in str(rejected.value)
    assert reason in str(rejected.value)
