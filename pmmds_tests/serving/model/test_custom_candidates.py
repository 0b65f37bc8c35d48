"""A pipeline without a portable scorer: trained from the user's own candidates, served on a DataFrame."""

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
from pmmds_tests.harness.dagster_platform import DagsterPlatform, errors_of
from pmmds_tests.harness.service_process import running_service, service_environment
from pmmds_tests.harness.service_requests import BATCH, PREDICT, example, is_logged, rows

TUTORIALS = Path(__file__).parents[3] / "docs" / "tutorials"
FOREST = "own_candidates:ONLY_FOREST"


@pytest.fixture
def tutorials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TUTORIALS))


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.xdist_group("service")
@pytest.mark.usefixtures("tutorials")
def test_a_random_forest_is_trained_promoted_and_served(tmp_path: Path, contract: Contract) -> None:
    platform = DagsterPlatform.build(tmp_path / "home", PMMDS_TRAIN_CANDIDATES=FOREST, PMMDS_MODEL_PICKLE="allowed")
    result = platform.run("train_job")
    assert result.success, errors_of(result)
    deployment = platform.deployment
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
def test_an_altered_pipeline_is_not_even_read(tmp_path: Path) -> None:
    platform = DagsterPlatform.build(tmp_path / "home", PMMDS_TRAIN_CANDIDATES=FOREST, PMMDS_MODEL_PICKLE="allowed")
    assert platform.run("train_job").success
    folder = platform.deployment.profiles.bundle("1").directory
    assert (folder / MANIFEST).exists()
    pickled = bytearray((folder / PIPELINE).read_bytes())
    pickled[len(pickled) // 2] ^= 1
    (folder / PIPELINE).write_bytes(pickled)
    with pytest.raises(ArtifactCorruptError, match=f"{PIPELINE} in .* does not match its sha256"):
        load_bundle(folder)


def test_a_service_without_scikit_learn_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ModelError, match=r"is not installed here\. pip install 'pmmds\[dataframe\]'"):
        load_pipeline(FrameColumns(("a",), ("a",), "1.0"), b"")


def test_a_pickle_of_another_scikit_learn_is_refused_in_one_sentence() -> None:
    with pytest.raises(ArtifactCorruptError, match=r"scikit-learn 0\.1"):
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
def test_candidates_are_found_by_module_and_name() -> None:
    assert load_candidates("") is CANDIDATES
    assert list(load_candidates("own_candidates:CANDIDATES")) == ["logistic_regression", "random_forest"]


@pytest.mark.usefixtures("tutorials")
@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("own_candidates", "it has no colon"),
        ("nowhere_at_all:CANDIDATES", "No module named 'nowhere_at_all'"),
        ("own_candidates:NOTHING", "own_candidates has no NOTHING"),
        ("own_candidates:random_forest", "random_forest is function"),
    ],
)
def test_candidates_that_cannot_be_used_are_told(place: str, why: str) -> None:
    with pytest.raises(SettingError) as refused:
        load_candidates(place)
    assert str(refused.value) == (
        f"PMMDS_TRAIN_CANDIDATES={place!r} cannot be used: {why}. "
        "Expected module:name, where name is a mapping of a candidate's name to a function of (contract, seed)."
    )
