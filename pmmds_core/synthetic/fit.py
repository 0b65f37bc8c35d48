"""Fits a Generator to real rows: derived numeric features, a network of the other features, and the label.

The result contains only counts, quantiles and coefficients, but no rows. Not here: sampling (generator.py).
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from pmmds_core.contracts.contract import Contract
from pmmds_core.data.reader import SourceData, read_source, to_columns
from pmmds_core.errors import DataError
from pmmds_core.runtime.plurals import counted
from pmmds_core.synthetic.derived import derived_nodes
from pmmds_core.synthetic.fidelity import measure_fidelity
from pmmds_core.synthetic.generator import Generator
from pmmds_core.synthetic.label import calibrate, fit_mechanism
from pmmds_core.synthetic.network import code_column, fit_network
from pmmds_core.synthetic.nodes import Column, Node

MIN_ROWS = 50
N_CALIBRATION_ROWS = 100_000


def fit_from_file(path: Path, contract: Contract, seed: int) -> Generator:
    """Fit a generator to a file, and record the file's sha256 and the fidelity of a sample of the same size.

    The packaged generator is `fit_from_file(<the public Telco file>, load_contract(""), seed=0).to_json()`.

    Raises:
        DataError: the file does not match the contract, or has too few rows.
    """
    source = read_source(path, contract)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    generator = fit_generator(source, contract, seed, source_sha256=sha256)
    sample = generator.sample(source.n_rows, seed)
    return msgspec.structs.replace(generator, fidelity=measure_fidelity(source.frame, sample, contract))


def fit_generator(source: SourceData, contract: Contract, seed: int, *, source_sha256: str = "") -> Generator:
    """Fit a generator to all rows of `source`.

    Args:
        source: features and labels.
        contract: kinds and types of the features.
        seed: seed of the sample used to calibrate the label rate.
        source_sha256: sha256 of the file, recorded in the generator.

    Raises:
        DataError: there are fewer than 50 rows, or all labels have the same class.
    """
    labels = _labels(source, contract)
    columns = to_columns(source.frame, contract)
    nodes = _nodes(columns, contract)
    generator = Generator(
        contract_name=contract.name,
        features=contract.feature_names,
        integers=tuple(f.name for f in contract.features if f.type == "integer" and not f.is_nullable),
        label=contract.label.name,
        nodes=tuple(nodes),
        mechanism=fit_mechanism(columns, labels, contract),
        source_name=source.name,
        source_digest=source.digest,
        source_sha256=source_sha256,
        n_source_rows=source.n_rows,
        seed=seed,
    )
    drawn = to_columns(generator.sample(N_CALIBRATION_ROWS, seed), contract)
    return msgspec.structs.replace(generator, mechanism=calibrate(generator.mechanism, drawn, float(labels.mean())))


def _labels(source: SourceData, contract: Contract) -> NDArray[np.int64]:
    labels = source.frame[contract.label.name].to_numpy(dtype=np.int64)
    if source.n_rows < MIN_ROWS or len(np.unique(labels)) < 2:
        raise DataError(
            f"{source.name}: {counted(source.n_rows, 'row')} with {counted(int(labels.sum()), 'positive')} are too few "
            f"to fit a generator.",
            next_step=f"Use at least {MIN_ROWS} rows with both classes.",
        )
    return labels


def _nodes(columns: dict[str, Column], contract: Contract) -> list[Node]:
    derived = derived_nodes(columns, contract)
    in_table = [f for f in contract.features if f.name not in {node.feature for node in derived}]
    coded = {f.name: code_column(f, columns[f.name]) for f in in_table}
    return [*fit_network(coded), *derived]
