"""What each feature added to one prediction, computed from the portable scorer alone.

Logistic regression: exact. Boosted trees: path contributions (Saabas 2014), which also add up exactly but credit the
order of the splits; they are not Shapley values. Add a scorer here with the method's name. Keep out: printing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pmmds_core.contracts.contract import Contract, FeatureValue
from pmmds_core.errors import NotCompilableError
from pmmds_core.models.portable_scorer import BoostingScorer, LogisticScorer, Row, Scorer, Tree, sigmoid
from pmmds_core.profiling.reference_profile import FeatureProfile, ReferenceProfile

EXACT = "exact: terms of the logistic regression against their mean over the training rows"
PATHS = "path contributions (Saabas): what each split on the row's way moved the trees' mean; not Shapley values"


@dataclass(frozen=True)
class Contribution:
    """`log_odds`: what the value moved the answer by, against the training rows' mean."""

    feature: str
    value: FeatureValue
    log_odds: float


@dataclass(frozen=True)
class Explanation:
    """`baseline` and the contributions add up to `log_odds`. Contributions: the largest first."""

    method: str
    baseline: float
    log_odds: float
    probability: float
    contributions: tuple[Contribution, ...]


def explain_row(scorer: Scorer, profile: ReferenceProfile, row: Row, contract: Contract) -> Explanation:
    """Explain one row, in the contract's order.

    Args:
        scorer: of the version that answered.
        profile: of the same version; it holds the training rows' shares of each category.
        row: the features as they were logged.
        contract: names them.

    Raises:
        NotCompilableError: the version has no scorer that can be taken apart, or none that keeps rows per node.
    """
    amounts = dict.fromkeys(contract.feature_names, 0.0)

    def add(position: int, amount: float) -> None:
        amounts[contract.feature_names[position]] += amount

    if isinstance(scorer, LogisticScorer):
        method, baseline = EXACT, _logistic(scorer, profile, row, add)
    elif isinstance(scorer, BoostingScorer):
        method, baseline = PATHS, _boosting(scorer, row, add)
    else:
        raise NotCompilableError(f"A model of kind {scorer.kind} cannot be taken apart into contributions.")
    told = [Contribution(name, row[i], amounts[name]) for i, name in enumerate(contract.feature_names)]
    log_odds = baseline + sum(amounts.values())
    ordered = tuple(sorted(told, key=lambda c: -abs(c.log_odds)))
    return Explanation(method, baseline, log_odds, sigmoid(log_odds), ordered)


Add = Callable[[int, float], None]


def _logistic(scorer: LogisticScorer, profile: ReferenceProfile, row: Row, add: Add) -> float:
    """A standardised number's mean term is zero; a category's is the mean coefficient of the training rows."""
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
    named = zip(profile.bins.categories, profile.counts, strict=False)  # unseen and missing values add nothing
    return sum(coefficients.get(category, 0.0) * n for category, n in named) / total if total else 0.0


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
    """(n_nodes,) mean leaf value of the training rows that reached each node; children follow their parent."""
    means = list(tree.value)
    for node in reversed(range(len(means))):
        if tree.feature[node] >= 0:
            left, right = tree.left[node], tree.right[node]
            n_left, n_right = tree.n_rows[left], tree.n_rows[right]
            means[node] = (means[left] * n_left + means[right] * n_right) / (n_left + n_right)
    return means
