"""The scorer of last resort: the scikit-learn pipeline itself, on a DataFrame, for estimators without a portable one.

It answers some hundred times more slowly, needs pandas and scikit-learn in the process that serves, and is kept as a
pickle. Loading a pickle runs code: bundle.open_bundle does so only for a caller that judged the digest of its bytes.
Keep out: portable scorers (portable_scorer.py).
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
    """What `scorer.json` says of a pipeline: the columns of its DataFrame, and the scikit-learn that made it."""

    names: tuple[str, ...]
    numeric: tuple[str, ...]
    scikit_learn: str


class PipelineScorer:
    """P(positive) by `predict_proba`. Numbers are float64 with NaN, texts are objects with None, as in training."""

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
        """Of many rows at once: the DataFrame is most of the cost."""
        if not rows:  # scikit-learn refuses a frame without rows
            return []
        import pandas as pd

        frame = pd.DataFrame(list(rows), columns=list(self._columns.names))
        kinds = {name: "float64" if name in self._columns.numeric else "object" for name in self._columns.names}
        found: list[float] = self._pipeline.predict_proba(frame.astype(kinds))[:, 1].tolist()
        return found


def wrap_pipeline(pipeline: Any, contract: Contract) -> PipelineScorer:
    """A fitted pipeline that takes the contract's DataFrame."""
    import sklearn

    return PipelineScorer(FrameColumns(contract.feature_names, contract.numeric_names, sklearn.__version__), pipeline)


def dump_pipeline(scorer: PipelineScorer) -> tuple[bytes, bytes]:
    """The contents of `scorer.json` and of `pipeline.pkl`."""
    import cloudpickle

    return msgspec.json.encode(scorer.columns, order="sorted"), cloudpickle.dumps(scorer._pipeline, protocol=5)


def load_pipeline(columns: FrameColumns, raw: bytes) -> PipelineScorer:
    """A pipeline whose bytes were judged.

    Raises:
        ModelError: pandas, scikit-learn or the model's own code is not installed here.
        ArtifactCorruptError: another scikit-learn made it, and this one cannot read it.
    """
    try:
        import cloudpickle
        import sklearn

        importlib.import_module("pandas")  # what it predicts on
    except ImportError as error:
        raise ModelError(
            f"The model in production is a scikit-learn pipeline, and {error.name} is not installed here.",
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
            f"The model's pipeline was made by scikit-learn {columns.scikit_learn}, "
            f"and {sklearn.__version__} cannot read it."
        ) from None
