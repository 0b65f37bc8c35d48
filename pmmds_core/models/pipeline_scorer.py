"""Fallback scorer for estimators without a portable scorer: the scikit-learn pipeline on a DataFrame.

It is about 100 times slower, needs pandas and scikit-learn in the serving process, and is stored as a pickle.
Loading a pickle runs code, so bundle.open_bundle loads it only if the caller verified the digest.
Not here: portable scorers (portable_scorer.py).
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import msgspec

from pmmds_core.contracts.contract import Contract, FeatureValue
from pmmds_core.errors import ArtifactCorruptError, ModelError

PIPELINE = "pipeline.pkl"
KIND = "scikit_learn_pipeline"
_EXTRA = "pip install 'pmmds[dataframe]'"


class FrameColumns(msgspec.Struct, frozen=True, tag=KIND, tag_field="kind"):
    """The content of a pipeline's `scorer.json`.

    It consists of the columns of the pipeline's data frame and the scikit-learn version that created the pipeline.
    """

    names: tuple[str, ...]
    numeric: tuple[str, ...]
    scikit_learn: str


class PipelineScorer:
    """A scorer that returns P(positive) from `predict_proba`.

    The column types are the same as in training: float64 with NaN, or object with None.
    """

    def __init__(self, columns: FrameColumns, pipeline: Any) -> None:
        self._columns = columns
        self._pipeline = pipeline

    @property
    def kind(self) -> str:
        return KIND

    @property
    def columns(self) -> FrameColumns:
        return self._columns

    def probability(self, row: Sequence[FeatureValue]) -> float:
        return self.probabilities([row])[0]

    def probabilities(self, rows: Sequence[Sequence[FeatureValue]]) -> list[float]:
        """Score many rows in one data frame, because creating the data frame takes most of the time."""
        if not rows:  # scikit-learn rejects an empty frame
            return []
        import pandas as pd

        frame = pd.DataFrame(list(rows), columns=list(self._columns.names))
        kinds = {name: "float64" if name in self._columns.numeric else "object" for name in self._columns.names}
        scores: list[float] = self._pipeline.predict_proba(frame.astype(kinds))[:, 1].tolist()
        return scores


def wrap_pipeline(pipeline: Any, contract: Contract) -> PipelineScorer:
    """Return the scorer of a fitted pipeline that uses the contract's columns."""
    import sklearn

    return PipelineScorer(FrameColumns(contract.feature_names, contract.numeric_names, sklearn.__version__), pipeline)


def dump_pipeline(scorer: PipelineScorer) -> tuple[bytes, bytes]:
    """Return the contents of `scorer.json` and `pipeline.pkl`."""
    import cloudpickle

    return msgspec.json.encode(scorer.columns, order="sorted"), cloudpickle.dumps(scorer._pipeline, protocol=5)


def load_pipeline(columns: FrameColumns, raw: bytes) -> PipelineScorer:
    """Unpickle a pipeline whose bytes the caller has verified.

    Raises:
        ModelError: pandas, scikit-learn or a module of the model is not installed here.
        ArtifactCorruptError: the installed scikit-learn cannot read it.
    """
    try:
        import cloudpickle
        import sklearn

        importlib.import_module("pandas")  # predict_proba needs pandas
    except ImportError as error:
        raise ModelError(
            f"The model in production is a scikit-learn pipeline, but {error.name} is not installed here.",
            next_step=f"{_EXTRA} in the service's environment, or train a candidate with a portable scorer.",
        ) from None
    try:
        return PipelineScorer(columns, cloudpickle.loads(raw))
    except ImportError as error:
        raise ModelError(
            f"The model in production needs the module {error.name}, which is not installed here.",
            next_step="Install it in the service's environment.",
        ) from None
    except (AttributeError, EOFError, IndexError, KeyError, TypeError, ValueError, cloudpickle.pickle.PickleError):
        raise ArtifactCorruptError(
            f"The model's pipeline was created with scikit-learn {columns.scikit_learn}, and version "
            f"{sklearn.__version__} cannot read it."
        ) from None
