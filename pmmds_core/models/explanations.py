"""Feature contributions to one prediction, computed from the portable scorer.

For logistic regression, they are exact. For boosted trees, they are path contributions (Saabas 2014), which also add up
exactly but depend on the order of the splits; they are not Shapley values. Add a scorer here with its method. Not here:
printing (pmmds_cli).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pmmds_core.contracts.contract import Contract, FeatureValue
from pmmds_core.errors import NotCompilableError
from pmmds_core.models.portable_scorer import BoostingScorer, LogisticScorer, Row, Scorer, Tree, sigmoid
from pmmds_core.profiling.reference_profile import FeatureProfile, ReferenceProfile

EXACT = "exact: terms of the logistic regression minus their mean over the training rows"
PATHS = "path contributions (Saabas): changes of the trees' mean at the splits on the row's path; not Shapley values"


@dataclass(frozen=True)
class Contribution:
    """The contribution of one feature. `log_odds` is relative to the mean of the training rows."""

    feature: str
    value: FeatureValue
    log_odds: float


@dataclass(frozen=True)
class Explanation:
    """An explained prediction. `baseline` and the contributions, largest first, add up to `log_odds`."""

    method: str
    baseline: float
    log_odds: float
    probability: float
    contributions: tuple[Contribution, ...]


def explain_row(scorer: Scorer, profile: ReferenceProfile, row: Row, contract: Contract) -> Explanation:
    """Explain the prediction of one row.

    Args:
        scorer: the scorer of the version that served the row.
        profile: the same version's profile, which has each category's share of the training rows.
        row: the logged features in the contract's order.
        contract: names the features.

    Raises:
        NotCompilableError: the version has no portable scorer.
    """
    amounts = dict.fromkeys(contract.feature_names, 0.0)

    def add(position: int, amount: float) -> None:
        amounts[contract.feature_names[position]] += amount

    if isinstance(scorer, LogisticScorer):
        method, baseline = EXACT, _logistic(scorer, profile, row, add)
    elif isinstance(scorer, BoostingScorer):
        method, baseline = PATHS, _boosting(scorer, row, add)
    else:
        raise NotCompilableError(f"Feature contributions are not available for a model of kind {scorer.kind}.")
    contributions = [Contribution(name, row[i], amounts[name]) for i, name in enumerate(contract.feature_names)]
    log_odds = baseline + sum(amounts.values())
    ordered = tuple(sorted(contributions, key=lambda c: -abs(c.log_odds)))
    return Explanation(method, baseline, log_odds, sigmoid(log_odds), ordered)


Add = Callable[[int, float], None]


def _logistic(scorer: LogisticScorer, profile: ReferenceProfile, row: Row, add: Add) -> float:
    """Return the contributions to a logistic regression.

    A standardized number has a mean term of zero, and a categorical feature has its mean coefficient.
    """
    for term in scorer.numeric:
        value = row[term.index]
        number = term.impute if value is None else float(value)
        add(term.index, (number - term.mean) / term.scale * term.coefficient)
    baseline = scorer.intercept
    for choice in scorer.categorical:
        mean = _mean_coefficient(profile.features[choice.index], choice.coefficients)
        add(choice.index, choice.coefficients.get(str(row[choice.index]), 0.0) - mean)
        baseline += mean
    return baseline


def _mean_coefficient(profile: FeatureProfile, coefficients: dict[str, float]) -> float:
    total = sum(profile.counts)
    counted = zip(profile.bins.categories, profile.counts, strict=False)  # unseen and missing values contribute no term
    return sum(coefficients.get(category, 0.0) * n for category, n in counted) / total if total else 0.0


def _boosting(scorer: BoostingScorer, row: Row, add: Add) -> float:
    position = (*scorer.numeric, *(c.index for c in scorer.categorical))
    encoded, baseline = scorer.encode(row), scorer.baseline
    for tree in scorer.trees:
        means, node = node_means(tree), 0
        baseline += means[0]
        while (feature := tree.feature[node]) >= 0:
            after = tree.next_node(node, encoded[feature])
            add(position[feature], means[after] - means[node])
            node = after
    return baseline


def node_means(tree: Tree) -> list[float]:
    """Return the mean leaf value of the training rows that reached each node, with shape (n_nodes,).

    The children of a node come after the node.
    """
    means = list(tree.value)
    for node in reversed(range(len(means))):
        if tree.feature[node] >= 0:
            left, right = tree.left[node], tree.right[node]
            n_left, n_right = tree.n_rows[left], tree.n_rows[right]
            means[node] = (means[left] * n_left + means[right] * n_right) / (n_left + n_right)
    return means
