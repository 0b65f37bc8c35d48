"""Fits a generator's Bayesian network: features as states, the search for parents, and the probability tables.

Not here: numeric features derived from others (derived.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from pmmds_core.contracts.contract import Feature
from pmmds_core.synthetic.derived import grid_of, quantiles
from pmmds_core.synthetic.nodes import Column, Grid, Spread, States, TableNode

MAX_PARENTS = 2
N_BINS = 12
# A bin with more distinct values than this is stored as quantiles instead of value frequencies.
MAX_DISTINCT = 12
N_QUANTILES = 9


@dataclass(frozen=True)
class CodedColumn:
    """The states of a feature, with shape (n,), and the meaning of each state: a value, a bin (spread) or missing."""

    states: States
    values: tuple[str, ...]
    spreads: tuple[Spread, ...]
    grid: Grid | None
    has_missing: bool

    @property
    def n_states(self) -> int:
        return len(self.values) + len(self.spreads) + self.has_missing


def code_column(feature: Feature, values: Column) -> CodedColumn:
    return _coded_numbers(values) if feature.is_numeric else _coded_texts(feature, values)


def _coded_texts(feature: Feature, values: Column) -> CodedColumn:
    present = set(values.tolist())
    used = tuple(v for v in feature.all_values if v in present)
    index = {value: state for state, value in enumerate(used)}
    states = np.array([index.get(value, len(used)) for value in values], dtype=np.int64)
    return CodedColumn(states, used, (), None, None in present)


def _coded_numbers(values: Column) -> CodedColumn:
    missing = np.isnan(values)
    known = values[~missing]
    if known.size == 0:
        return CodedColumn(np.zeros(len(values), dtype=np.int64), (), (), Grid(0.0, 0.0, 0.0), True)
    cuts = np.unique(np.quantile(known, np.arange(1, N_BINS) / N_BINS, method="lower"))
    cuts = cuts[cuts < known.max()]
    bins = np.searchsorted(cuts, known, side="left")
    states = np.full(len(values), len(cuts) + 1, dtype=np.int64)
    states[~missing] = bins
    spreads = tuple(_spread(known[bins == b]) for b in range(len(cuts) + 1))
    return CodedColumn(states, (), spreads, grid_of(known), bool(missing.any()))


def _spread(values: NDArray[np.float64]) -> Spread:
    points, counts = np.unique(values, return_counts=True)
    if len(points) <= MAX_DISTINCT:
        return Spread(tuple(map(float, points)), tuple(map(float, counts)))
    return quantiles(values, N_QUANTILES)


def fit_network(coded: dict[str, CodedColumn]) -> list[TableNode]:
    """Return nodes in sampling order.

    The parents of a node are the preceding nodes that have the most information about the node. The search starts with
    the features in order of their mutual information with all others. It moves one feature at a time until no move
    increases the total information, which equals the log-likelihood of the rows up to a constant.
    """
    search = _Search(coded)
    order = search.order()
    return [_table_node(name, search.parents(name, order[:i]), coded) for i, name in enumerate(order)]


class _Search:
    """A search for the best order of the features that uses cached mutual information."""

    def __init__(self, coded: dict[str, CodedColumn]) -> None:
        self.coded = coded
        self._information: dict[tuple[str, frozenset[str]], float] = {}
        self._parents: dict[tuple[str, frozenset[str]], tuple[str, ...]] = {}

    def information(self, name: str, parents: tuple[str, ...]) -> float:
        key = name, frozenset(parents)
        if key not in self._information:
            self._information[key] = information(self.coded[name], [self.coded[p] for p in parents]) if parents else 0.0
        return self._information[key]

    def parents(self, name: str, before: list[str]) -> tuple[str, ...]:
        """Return at most MAX_PARENTS of the features in `before`, sorted by their own information about `name`."""
        key = name, frozenset(before)
        if key not in self._parents:
            sizes = range(min(MAX_PARENTS, len(before)) + 1)
            choices = [c for size in sizes for c in combinations(sorted(before), size)]
            best = max(choices, key=lambda c: self.information(name, c))
            self._parents[key] = tuple(sorted(best, key=lambda p: -self.information(name, (p,))))
        return self._parents[key]

    def score(self, order: list[str]) -> float:
        return sum(self.information(name, self.parents(name, order[:i])) for i, name in enumerate(order))

    def order(self) -> list[str]:
        names = list(self.coded)
        order = sorted(names, key=lambda n: -sum(self.information(n, (o,)) for o in names if o != n))
        best, improved = self.score(order), True
        while improved:
            improved = False
            for name in names:
                rest = [other for other in order if other != name]
                moved = max(([*rest[:i], name, *rest[i:]] for i in range(len(names))), key=self.score)
                if self.score(moved) > best + 1e-9:
                    order, best, improved = moved, self.score(moved), True
        return order


def _joint(parents: list[CodedColumn]) -> tuple[States, int]:
    """Return the code of each row for its combination of parent states, and the number of codes.

    The state of the last parent varies fastest.
    """
    codes, n_codes = np.zeros(len(parents[0].states), dtype=np.int64), 1
    for parent in parents:
        codes, n_codes = codes * parent.n_states + parent.states, n_codes * parent.n_states
    return codes, n_codes


def information(child: CodedColumn, parents: list[CodedColumn]) -> float:
    """Return the mutual information in nats, corrected for its bias.

    The bias is (states - 1)(parent states - 1) / 2n (Miller 1955).
    """
    codes, n_codes = _joint(parents)
    table = np.bincount(codes * child.n_states + child.states, minlength=n_codes * child.n_states)
    joint = table.reshape(n_codes, child.n_states) / len(codes)
    by_parent, by_child = joint.sum(axis=1, keepdims=True), joint.sum(axis=0, keepdims=True)
    seen = joint > 0
    information = float((joint[seen] * np.log(joint[seen] / (by_parent @ by_child)[seen])).sum())
    used = int((by_parent > 0).sum()), int((by_child > 0).sum())
    return information - (used[0] - 1) * (used[1] - 1) / (2 * len(codes))


def _table_node(name: str, parents: tuple[str, ...], coded: dict[str, CodedColumn]) -> TableNode:
    child = coded[name]
    return TableNode(
        feature=name,
        parents=parents,
        probabilities=_probabilities(child, [coded[p] for p in parents]),
        values=child.values,
        spreads=child.spreads,
        grid=child.grid,
        has_missing=child.has_missing,
    )


def _probabilities(child: CodedColumn, parents: list[CodedColumn]) -> tuple[tuple[float, ...], ...]:
    """Return the frequencies of the child's states for each combination of parent states.

    Combinations that do not occur use fewer parents.
    """
    if not parents:
        return (_row(np.bincount(child.states, minlength=child.n_states)),)
    codes, n_codes = _joint(parents)
    table = np.bincount(codes * child.n_states + child.states, minlength=n_codes * child.n_states)
    rows = [_row(row) for row in table.reshape(n_codes, child.n_states)]
    if all(map(any, rows)):
        return tuple(rows)
    fallback = _probabilities(child, parents[:-1])
    return tuple(row if any(row) else fallback[i // parents[-1].n_states] for i, row in enumerate(rows))


def _row(counts: NDArray[np.int64]) -> tuple[float, ...]:
    total = int(counts.sum())
    return tuple(round(float(count) / total, 4) if total else 0.0 for count in counts)
