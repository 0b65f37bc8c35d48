"""Candidate models for training: the packaged logistic regression and a random forest."""

from __future__ import annotations

from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from pmmds_core.contracts.contract import Contract
from pmmds_core.training.pipelines import logistic_regression


def random_forest(contract: Contract, seed: int) -> Any:
    """Return an unfitted pipeline that takes a DataFrame with the contract's columns."""
    encode = OneHotEncoder(handle_unknown="ignore")
    columns = ColumnTransformer([("categorical", encode, list(contract.categorical_names))], remainder="passthrough")
    forest = RandomForestClassifier(n_estimators=60, min_samples_leaf=20, random_state=seed)
    return Pipeline([("columns", columns), ("forest", forest)])


CANDIDATES = {"logistic_regression": logistic_regression, "random_forest": random_forest}
ONLY_FOREST = {"random_forest": random_forest}
