"""Every foreign bundle either returns probabilities or raises one type of error, and never runs code."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pmmds_core.errors import ArtifactCorruptError, ModelNotTrustedError
from pmmds_core.models.bundle import (
    GOLDEN,
    MANIFEST,
    PROFILE,
    SCORER,
    Golden,
    Manifest,
    load_bundle,
    open_bundle,
    read_bundle,
)
from pmmds_core.models.pipeline_scorer import KIND, PIPELINE

# The features are the numeric `n` and the categorical `c`; the boosted tree has one split on `n`.
TREE = [[0, -1, -1], [1.5, 0.0, 0.0], [True, False, False], [1, 0, 0], [2, 0, 0], [0.0, -1.0, 1.0], [4, 2, 2]]
SCORERS: dict[str, Any] = {
    "logistic_regression": {
        "kind": "logistic_regression",
        "intercept": 0.0,
        "numeric": [{"index": 0, "impute": 0.0, "mean": 0.0, "scale": 1.0, "coefficient": 0.0}],
        "categorical": [{"index": 1, "coefficients": {"a": 0.0}}],
    },
    "hist_gradient_boosting": {
        "kind": "hist_gradient_boosting",
        "baseline": 0.0,
        "numeric": [0],
        "categorical": [{"index": 1, "codes": {"a": 0.0}}],
        "trees": [TREE],
    },
}
BINS = [
    {"bins": {"feature": "n", "kind": "numeric", "edges": [1.0]}, "counts": [1, 1, 0, 0, 0, 0]},
    {"bins": {"feature": "c", "kind": "categorical", "categories": ["a"]}, "counts": [2, 0, 0]},
]
ROWS: list[list[float | str | None]] = [[1.0, "a"], [2.0, None], [None, "b"]]
ODD: list[Any] = [-1, 0, 1, 99, 2**62, 1e308, -1e308, 1e-320, None, "", "a", [], {}, True, [[[[]]]]]


def parts_of(kind: str) -> dict[str, Any]:
    below, above = (1 / (1 + 2.718281828459045), 1 / (1 + 2.718281828459045**-1))
    expected = [0.5, 0.5, 0.5] if kind == "logistic_regression" else [below, above, below]
    parts = {
        SCORER: SCORERS[kind],
        GOLDEN: {"rows": ROWS, "probabilities": expected},
        PROFILE: {"contract_digest": "", "n_rows": 2, "features": BINS},
    }
    parts[MANIFEST] = {
        "model_name": "m",
        "scorer_kind": kind,
        "contract_digest": "c",
        "feature_names": ["n", "c"],
        "metrics": {},
        "files": {},
    }
    copied: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(parts))
    return copied


def write(folder: Path, parts: dict[str, Any], more: dict[str, bytes] | None = None) -> Path:
    """Write all files, and list their hashes in the manifest unless a mutation made its `files` a non-object."""
    folder.mkdir(exist_ok=True)
    content = {name: msgspec.json.encode(part) for name, part in parts.items() if name != MANIFEST} | (more or {})
    manifest = parts[MANIFEST]
    if isinstance(manifest, dict) and isinstance(manifest.get("files"), dict):
        manifest["files"] |= {name: hashlib.sha256(raw).hexdigest() for name, raw in content.items()}
    for name, raw in (content | {MANIFEST: msgspec.json.encode(manifest)}).items():
        (folder / name).write_bytes(raw)
    return folder


@pytest.mark.parametrize("kind", list(SCORERS))
def test_a_bundle_without_mutations_can_be_loaded(tmp_path: Path, kind: str) -> None:
    assert load_bundle(write(tmp_path / "b", parts_of(kind))).scorer.probability([2.0, "a"]) >= 0.5


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return all (container, key) pairs within a JSON value."""
    found: list[tuple[Any, Any]] = []
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    for key in keys:
        found += [(value, key), *places(value[key])]
    return found


@settings(max_examples=300)
@given(data=st.data(), kind=st.sampled_from(list(SCORERS)))
def test_every_mutated_bundle_returns_probabilities_or_raises_one_error_type(
    tmp_path: Path, data: st.DataObject, kind: str
) -> None:
    parts = parts_of(kind)
    for _ in range(data.draw(st.integers(1, 2))):
        container, key = data.draw(st.sampled_from(places(parts)))
        if not (isinstance(container, dict) and container is parts):
            container[key] = copy.deepcopy(data.draw(st.sampled_from(ODD)))
    try:
        bundle = load_bundle(write(tmp_path / "b", parts))
    except ArtifactCorruptError:
        return
    rows: list[tuple[Any, ...]] = [*map(tuple, ROWS), (1e99, "a"), (-1e99, None)]
    found = bundle.scorer.probabilities(rows)
    assert all(0.0 <= p <= 1.0 for p in found)


def _index_99(p: dict[str, Any]) -> None:
    p[SCORER]["numeric"] = [99]


def _own_child(p: dict[str, Any]) -> None:
    p[SCORER]["trees"][0][3][0] = 0


def _shorter_column(p: dict[str, Any]) -> None:
    p[SCORER]["trees"][0][5].pop()


def _no_golden_rows(p: dict[str, Any]) -> None:
    p[GOLDEN] = {"rows": [], "probabilities": []}


def _name_with_a_folder(p: dict[str, Any]) -> None:
    p[MANIFEST]["files"]["../outside.json"] = "0" * 64


def _no_such_kind(p: dict[str, Any]) -> None:
    p[MANIFEST]["scorer_kind"] = "logistic_regression"


@pytest.mark.parametrize(
    "mutate", [_index_99, _own_child, _shorter_column, _no_golden_rows, _name_with_a_folder, _no_such_kind]
)
def test_a_scorer_that_would_fail_or_not_terminate_is_rejected(tmp_path: Path, mutate: Callable[[Any], None]) -> None:
    parts = parts_of("hist_gradient_boosting")
    mutate(parts)
    with pytest.raises(ArtifactCorruptError):
        load_bundle(write(tmp_path / "b", parts))


def test_deeply_nested_json_raises_the_same_type_of_error(tmp_path: Path) -> None:
    folder = write(tmp_path / "b", parts_of("logistic_regression"))
    (folder / MANIFEST).write_bytes(b"[" * 200_000)
    with pytest.raises(ArtifactCorruptError):
        load_bundle(folder)


class Touch:
    """An object that creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def pickled(tmp_path: Path, *, listed: bool) -> Path:
    parts = parts_of("logistic_regression")
    parts[MANIFEST]["scorer_kind"] = KIND
    parts[SCORER] = {"kind": KIND, "names": ["n", "c"], "numeric": ["n"], "scikit_learn": "1.9"}
    raw = cloudpickle.dumps(Touch(tmp_path / "ran"))
    folder = write(tmp_path / "b", parts, {PIPELINE: raw} if listed else None)
    (folder / PIPELINE).write_bytes(raw)
    return folder


def test_a_pickle_listed_in_the_manifest_is_loaded_only_if_allowed(tmp_path: Path) -> None:
    files = read_bundle(pickled(tmp_path, listed=True))
    with pytest.raises(ModelNotTrustedError, match="PMMDS_MODEL_PICKLE"):
        open_bundle(files)
    assert not (tmp_path / "ran").exists()
    with pytest.raises(ArtifactCorruptError):  # The unpickled object is not a pipeline.
        open_bundle(files, may_unpickle=True)
    assert (tmp_path / "ran").exists(), "the pickle runs code when loaded"


def test_a_pickle_not_in_the_manifest_is_rejected_even_if_allowed(tmp_path: Path) -> None:
    folder = pickled(tmp_path, listed=False)
    with pytest.raises(ArtifactCorruptError, match=f"does not list {PIPELINE}"):
        open_bundle(read_bundle(folder), may_unpickle=True)
    assert not (tmp_path / "ran").exists()


def test_changing_files_after_hashing_does_not_change_the_loaded_bundle(tmp_path: Path) -> None:
    folder = write(tmp_path / "b", parts_of("logistic_regression"))
    files = read_bundle(folder)
    for name in (SCORER, GOLDEN, PROFILE):
        (folder / name).write_bytes(b"replaced after it was hashed")
    assert open_bundle(files).scorer.probability((1.0, "a")) == 0.5


def test_the_test_data_matches_the_manifest_and_golden_row_types() -> None:
    parts = parts_of("logistic_regression")
    assert msgspec.convert(parts[MANIFEST], Manifest).feature_names == ("n", "c")
    assert len(msgspec.convert(parts[GOLDEN], Golden).rows) == 3
