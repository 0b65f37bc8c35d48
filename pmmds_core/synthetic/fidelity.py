"""Measures the fidelity of synthetic rows to real ones as differences between two frames of one contract.

Not here: limits on the differences (pmmds_tests/core/synthetic/test_generator.py).
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pmmds_core.contracts.contract import Contract
from pmmds_core.profiling.bin_edges import fit_numeric_bins
from pmmds_core.synthetic.generator import Fidelity

if TYPE_CHECKING:
    import pandas as pd

N_BINS = 10
N_FOLDS = 5

Codes = dict[str, NDArray[np.int64]]


def measure_fidelity(real: pd.DataFrame, synthetic: pd.DataFrame, contract: Contract, seed: int = 0) -> Fidelity:
    """Compare the features and labels of real and synthetic rows.

    - marginal distance: total variation (0 to 1) per column, with numeric columns in deciles of the real rows.
    - association error: |real − synthetic| per pair of columns, by Spearman's rank correlation if both are numeric,
      else by Cramér's V (without bias correction) on the same bins.
    - ROC-AUC: logistic regression on one-hot and scaled columns, mean of five folds; also for a model trained on the
    synthetic rows and tested on the real rows.
    """
    marginals = {name: _distance(*_coded(name, real, synthetic, contract)) for name in real.columns}
    worst = max(marginals, key=lambda name: marginals[name])
    errors = _association_errors(real, synthetic, contract)
    pair = max(errors, key=lambda p: errors[p])
    label = contract.label.name
    return Fidelity(
        n_real=len(real),
        n_synthetic=len(synthetic),
        largest_marginal_distance=round(marginals[worst], 4),
        largest_marginal_feature=worst,
        largest_association_error=round(errors[pair], 4),
        largest_association_pair=pair,
        mean_association_error=round(float(np.mean(list(errors.values()))), 4),
        label_rate_real=round(float(real[label].mean()), 4),
        label_rate_synthetic=round(float(synthetic[label].mean()), 4),
        roc_auc_real=round(cross_validated_auc(real, contract, seed), 4),
        roc_auc_synthetic=round(cross_validated_auc(synthetic, contract, seed), 4),
        roc_auc_train_synthetic_test_real=round(transfer_auc(synthetic, real, contract), 4),
    )


def cross_validated_auc(frame: pd.DataFrame, contract: Contract, seed: int) -> float:
    """Return the mean ROC-AUC over five shuffled, stratified folds."""
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=seed)
    features, labels = frame[list(contract.feature_names)], frame[contract.label.name]
    return float(cross_val_score(_classifier(contract), features, labels, cv=folds, scoring="roc_auc").mean())


def transfer_auc(trained_on: pd.DataFrame, tested_on: pd.DataFrame, contract: Contract) -> float:
    """Return the ROC-AUC on `tested_on` of a model that was trained on `trained_on`."""
    from sklearn.metrics import roc_auc_score

    names = list(contract.feature_names)
    model = _classifier(contract).fit(trained_on[names], trained_on[contract.label.name])
    return float(roc_auc_score(tested_on[contract.label.name], model.predict_proba(tested_on[names])[:, 1]))


def _classifier(contract: Contract) -> Any:
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), list(contract.numeric_names)),
        (OneHotEncoder(handle_unknown="ignore"), list(contract.categorical_names)),
    )
    return make_pipeline(columns, LogisticRegression(max_iter=5000))


def _association_errors(real: Any, synthetic: Any, contract: Contract) -> dict[tuple[str, str], float]:
    coded = {name: _coded(name, real, synthetic, contract) for name in real.columns}
    errors = {}
    for a, b in combinations(coded, 2):
        if a in contract.numeric_names and b in contract.numeric_names:
            first, second = (_spearman(frame, a, b) for frame in (real, synthetic))
        else:
            first, second = (_cramers_v(coded[a][side], coded[b][side]) for side in (0, 1))
        errors[a, b] = abs(first - second)
    return errors


def _coded(
    name: str, real: pd.DataFrame, synthetic: pd.DataFrame, contract: Contract
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Encode both columns by the same bins.

    The bins are the deciles of the real rows, or the values of a category.
    """
    feature = contract.by_name.get(name)
    if feature is not None and feature.is_numeric:
        bins = fit_numeric_bins(name, real[name].to_numpy(dtype=np.float64), N_BINS)
        return _bin_codes(real[name], bins.edges), _bin_codes(synthetic[name], bins.edges)
    values = feature.all_values if feature is not None else (0, 1)
    index = {value: code for code, value in enumerate(values)}
    first, second = (
        np.array([index.get(v, len(index)) for v in frame[name].tolist()], dtype=np.int64)
        for frame in (real, synthetic)
    )
    return first, second


def _bin_codes(values: pd.Series[Any], edges: tuple[float, ...]) -> NDArray[np.int64]:
    numbers = values.to_numpy(dtype=np.float64)
    codes = np.searchsorted(edges, numbers, side="left")
    return np.where(np.isnan(numbers), len(edges) + 1, codes).astype(np.int64)


def _distance(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    size = int(max(first.max(), second.max())) + 1
    shares = [np.bincount(codes, minlength=size) / len(codes) for codes in (first, second)]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def _spearman(frame: pd.DataFrame, a: str, b: str) -> float:
    return float(frame[a].corr(frame[b], method="spearman"))


def _cramers_v(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    table = np.zeros((int(first.max()) + 1, int(second.max()) + 1))
    np.add.at(table, (first, second), 1)
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    if min(table.shape) < 2:
        return 0.0
    expected = table.sum(axis=1, keepdims=True) @ table.sum(axis=0, keepdims=True) / table.sum()
    chi2 = float(((table - expected) ** 2 / expected).sum())
    return float(np.sqrt(chi2 / table.sum() / (min(table.shape) - 1)))
