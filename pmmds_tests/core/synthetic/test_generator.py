"""Synthetic rows are deterministic, satisfy the contract, and match the recorded fidelity to the real rows."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest

from pmmds_core.config.settings import Settings
from pmmds_core.contracts.contract import Contract, load_contract, parse_contract
from pmmds_core.data.digests import content_digest, unordered_digest
from pmmds_core.data.pandera_schema import check_frame
from pmmds_core.data.reader import SourceData, read_source, source_from_frame
from pmmds_core.errors import DataError
from pmmds_core.stores.files.reference_source import SAMPLE_ROWS, SAMPLE_SEED, load_reference
from pmmds_core.synthetic.fidelity import cross_validated_auc, measure_fidelity
from pmmds_core.synthetic.fit import MIN_ROWS, fit_from_file, fit_generator
from pmmds_core.synthetic.generator import Fidelity, Generator, packaged_generator

CONTRACT = load_contract("")

MEASURES = """
name: measures
model_name: measures
description: Two measures that may be missing, and a group.
label: {name: broken, source: broken, positive: "1", negative: "0"}
features:
  - {name: heat, source: heat, kind: numeric, type: float, description: d, example: "3", blank: {means: missing}}
  - {name: wear, source: wear, kind: numeric, type: integer, description: d, example: "3", minimum: 0, maximum: 40}
  - {name: group, source: group, kind: categorical, type: string, values: [a, b, c], description: d, example: a}
"""


def as_source(frame: pd.DataFrame) -> SourceData:
    return SourceData("rows", frame, None, len(frame), content_digest(frame))


@pytest.fixture(scope="module")
def sample() -> pd.DataFrame:
    return packaged_generator().sample(SAMPLE_ROWS, SAMPLE_SEED)


@pytest.fixture(scope="module")
def recorded() -> Fidelity:
    fidelity = packaged_generator().fidelity
    assert fidelity is not None
    return fidelity


@pytest.fixture(scope="module")
def measures() -> Contract:
    return parse_contract(MEASURES, "measures.yaml")


def measured_rows(n_rows: int = 3000) -> pd.DataFrame:
    """Return rows in which wear depends on the group, failures on wear, and a tenth of the heat values are missing."""
    rng = np.random.default_rng(8)
    group = rng.choice(["a", "b", "c"], n_rows, p=[0.5, 0.3, 0.2])
    wear = rng.binomial(40, pd.Series(group).map({"a": 0.2, "b": 0.5, "c": 0.8}).to_numpy())
    heat = np.where(rng.random(n_rows) < 0.1, np.nan, rng.normal(20, 5, n_rows).round(1))
    broken = rng.random(n_rows) < 1 / (1 + np.exp(-(wear - 25) / 5))
    return pd.DataFrame({"heat": heat, "wear": wear, "group": group, "broken": broken.astype(np.int64)})


def test_synthetic_rows_depend_only_on_the_seed(sample: pd.DataFrame) -> None:
    again, other = (packaged_generator().sample(SAMPLE_ROWS, seed) for seed in (SAMPLE_SEED, SAMPLE_SEED + 1))
    assert content_digest(again) == content_digest(sample)
    assert content_digest(other) != content_digest(sample)


def test_a_new_home_trains_on_the_packaged_sample(sample: pd.DataFrame, tmp_path: Path) -> None:
    source = load_reference(Settings(home=str(tmp_path)), CONTRACT)
    assert (source.kind, source.data.n_rows) == ("sample", SAMPLE_ROWS)
    assert source.data.digest == content_digest(sample)
    assert "not real customers" in source.description


def test_every_synthetic_row_satisfies_the_contract(sample: pd.DataFrame) -> None:
    assert check_frame(sample, CONTRACT).failures == ()
    assert source_from_frame(sample, CONTRACT, "sample").digest == content_digest(sample)


def test_impossible_combinations_of_values_are_not_sampled(sample: pd.DataFrame) -> None:
    has_phone = sample["phone_service"] == "Yes"
    assert set(sample.loc[~has_phone, "multiple_lines"]) == {"No phone service"}
    assert "No phone service" not in set(sample.loc[has_phone, "multiple_lines"])
    has_no_net = sample["internet_service"] == "No"
    for service in ("online_security", "online_backup", "tech_support", "streaming_tv"):
        assert set(sample.loc[has_no_net, service]) == {"No internet service"}
        assert "No internet service" not in set(sample.loc[~has_no_net, service])
    assert (sample.loc[sample["tenure"] == 0, "total_charges"] == 0).all()


def test_a_model_of_the_sample_has_the_recorded_roc_auc(sample: pd.DataFrame, recorded: Fidelity) -> None:
    assert sample["churn"].mean() == pytest.approx(recorded.label_rate_real, abs=0.015)
    assert cross_validated_auc(sample, CONTRACT, seed=0) == pytest.approx(recorded.roc_auc_real, abs=0.015)


def test_the_recorded_fidelity_is_within_its_limits(recorded: Fidelity) -> None:
    assert recorded.n_real == recorded.n_synthetic == SAMPLE_ROWS
    assert recorded.largest_marginal_distance < 0.05
    assert recorded.largest_association_error < 0.1
    assert recorded.mean_association_error < 0.02
    assert abs(recorded.roc_auc_train_synthetic_test_real - recorded.roc_auc_real) < 0.01


def test_the_module_docstring_states_the_recorded_fidelity(recorded: Fidelity) -> None:
    import pmmds_core.synthetic.generator

    text = " ".join((pmmds_core.synthetic.generator.__doc__ or "").split())
    for figure in (
        recorded.largest_marginal_distance,
        recorded.mean_association_error,
        recorded.largest_association_error,
        recorded.roc_auc_real,
        recorded.roc_auc_synthetic,
        recorded.roc_auc_train_synthetic_test_real,
    ):
        assert str(figure) in text
    assert recorded.largest_marginal_feature in text
    assert " with ".join(recorded.largest_association_pair) in text


def test_the_distance_of_a_frame_to_itself_is_zero(sample: pd.DataFrame) -> None:
    same = measure_fidelity(sample, sample, CONTRACT)
    assert (same.largest_marginal_distance, same.largest_association_error) == (0.0, 0.0)
    assert same.roc_auc_real == same.roc_auc_synthetic


def test_independent_columns_have_a_large_association_error(sample: pd.DataFrame) -> None:
    rng = np.random.default_rng(1)
    shuffled = sample.apply(lambda column: rng.permutation(column.to_numpy()))
    apart = measure_fidelity(sample, shuffled, CONTRACT)
    assert apart.largest_marginal_distance == 0.0
    assert apart.largest_association_error > 0.9
    assert apart.roc_auc_synthetic == pytest.approx(0.5, abs=0.03)


def test_a_generator_round_trips_through_json(sample: pd.DataFrame) -> None:
    again = Generator.from_json(packaged_generator().to_json())
    assert again == packaged_generator()
    assert content_digest(again.sample(500, 3)) == content_digest(packaged_generator().sample(500, 3))


@pytest.mark.parametrize("raw", [b"", b"{}", b"[1,", b'{"nodes": 3}'])
def test_invalid_generator_json_is_rejected(raw: bytes) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        Generator.from_json(raw)


def test_sampling_zero_rows_is_rejected() -> None:
    assert len(packaged_generator().sample(1, 0)) == 1
    with pytest.raises(DataError, match="Cannot sample 0 rows"):
        packaged_generator().sample(0, 0)


def test_a_custom_generator_preserves_missing_values_and_dependence(measures: Contract) -> None:
    real = measured_rows()
    generator = fit_generator(as_source(real), measures, seed=2)
    drawn = generator.sample(3000, seed=5)
    assert check_frame(drawn, measures).failures == ()
    assert drawn["heat"].isna().mean() == pytest.approx(0.1, abs=0.03)
    assert drawn["broken"].mean() == pytest.approx(real["broken"].mean(), abs=0.03)
    means = drawn.groupby("group")["wear"].mean()
    assert all(low + 5 < high for low, high in pairwise(means[g] for g in "abc"))


def test_fitting_a_generator_is_deterministic(measures: Contract) -> None:
    first, second = (fit_generator(as_source(measured_rows(400)), measures, seed=2).to_json() for _ in range(2))
    assert first == second


def test_a_generator_contains_no_row_values_except_minimum_and_maximum(measures: Contract) -> None:
    real = measured_rows(300)
    real["heat"] = np.random.default_rng(0).random(300) * 1e3
    raw = fit_generator(as_source(real), measures, seed=2).to_json().decode()
    assert {v for v in real["heat"] if repr(v) in raw} <= {real["heat"].min(), real["heat"].max()}


def test_fitting_too_few_rows_or_a_single_class_is_rejected(measures: Contract) -> None:
    few = measured_rows(MIN_ROWS - 1)
    one_class = measured_rows().assign(broken=1)
    for frame in (few, one_class):
        with pytest.raises(DataError, match="too few to fit a generator"):
            fit_generator(as_source(frame), measures, seed=2)


def test_fitting_a_generator_to_a_file_records_its_digest_and_fidelity(measures: Contract, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    measured_rows(500).to_csv(path, index=False)
    generator = fit_from_file(path, measures, seed=1)
    source = read_source(path, measures)
    assert (generator.source_digest, generator.n_source_rows) == (source.digest, 500)
    expected = measure_fidelity(source.frame, generator.sample(500, 1), measures)
    assert generator.fidelity == expected


@pytest.fixture(scope="module")
def real() -> SourceData:
    """The public Telco file."""
    path = os.environ.get("PMMDS_TELCO_CSV", "")
    if not path:
        pytest.skip("PMMDS_TELCO_CSV is not set")
    return read_source(path, CONTRACT)


@pytest.mark.telco
def test_the_public_telco_file_matches_the_recorded_digests(real: SourceData) -> None:
    assert CONTRACT.openml is not None
    assert unordered_digest(real.frame) == CONTRACT.openml.content_sha256
    assert packaged_generator().source_digest == real.digest


@pytest.mark.telco
def test_the_recorded_fidelity_is_reproduced_on_the_public_telco_file(real: SourceData, recorded: Fidelity) -> None:
    generator = packaged_generator()
    found = measure_fidelity(real.frame, generator.sample(recorded.n_synthetic, generator.seed), CONTRACT)
    for field, value in msgspec.structs.asdict(recorded).items():
        is_measured = isinstance(value, float)
        assert getattr(found, field) == (pytest.approx(value, abs=0.002) if is_measured else value), field


@pytest.mark.telco
def test_every_sampled_column_is_distributed_as_in_the_public_telco_file(
    real: SourceData, sample: pd.DataFrame
) -> None:
    fidelity = measure_fidelity(real.frame, sample, CONTRACT)
    assert fidelity.largest_marginal_distance < 0.04
    assert fidelity.largest_association_error < 0.1
    assert fidelity.mean_association_error < 0.02
    assert abs(fidelity.label_rate_real - fidelity.label_rate_synthetic) < 0.015
    for name in CONTRACT.numeric_names:
        assert sample[name].median() == pytest.approx(real.frame[name].median(), rel=0.05, abs=0.01)


@pytest.mark.telco
def test_only_a_few_sampled_rows_are_equal_to_a_real_customer(real: SourceData, sample: pd.DataFrame) -> None:
    """Customers with few services can be equal by chance; charges and tenure distinguish the others."""
    names = list(CONTRACT.feature_names)
    real_rows = set(real.frame[names].itertuples(index=False, name=None))
    shared = sum(row in real_rows for row in sample[names].itertuples(index=False, name=None))
    assert shared / len(sample) < 0.05
