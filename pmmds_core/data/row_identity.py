"""What makes two rows the same row, so that none is trained on and judged on.

Their content, as long as that tells customers apart. With few features it does not: of a colour and a size there are a
dozen, and a split by content would keep whole kinds of customers from the training. Then a reference row is the k-th of
its content and label, and a production row the one with that request id; their keys are the frame's index.
Keep out: which rows fall where (training/split.py).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pmmds_core.contracts.contract import Contract
from pmmds_core.data.digests import extended_digests, row_digests

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

Keys = NDArray[np.int64]
# The head of a one-dimensional array of 64-bit integers in NumPy's format 1.0.
_NPY_HEAD = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '<i8', 'fortran_order': False, 'shape': \((\d{1,12}),\), \}", re.DOTALL
)
ROW_KEY = "row_key"
# A column of the labelled data set, named as in prediction_logs: no feature may have this name.
REQUEST_ID = "request_id"
# Of 7,043 Telco customers 0.6 % have another's content; where so many have, content is no name.
MAX_REPEATED = 0.05
# What a version's tag and its data set say; without it a version is of BY_CONTENT.
BY_CONTENT, BY_OCCURRENCE = "content", "occurrence"


def identity_of(reference: pd.DataFrame, contract: Contract) -> str:
    """BY_OCCURRENCE when more than `MAX_REPEATED` of the rows have the content of another before them."""
    if reference.empty:
        return BY_CONTENT
    n_contents = len(np.unique(row_digests(reference, contract.feature_names)))
    return BY_OCCURRENCE if 1 - n_contents / len(reference) > MAX_REPEATED else BY_CONTENT


def with_reference_keys(reference: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    """The rows, each named by how many of its content and label stand before it: the order of the file is no matter."""
    import pandas as pd

    digests = row_digests(reference, (*contract.feature_names, contract.label.name))
    before: Keys = pd.Series(digests).groupby(digests).cumcount().to_numpy().astype(np.int64)
    return reference.set_axis(_index(extended_digests(digests, before, "reference")), axis=0)


def with_production_keys(labelled: pd.DataFrame) -> pd.DataFrame:
    """The rows, each named by its `REQUEST_ID`."""
    return labelled.set_axis(_index(row_digests(labelled, (REQUEST_ID,))), axis=0)


def keys_of(frame: pd.DataFrame, columns: Sequence[str]) -> Keys:
    """(n,) the keys that the rows were given, else digests of their `columns`."""
    if frame.index.name == ROW_KEY:
        return frame.index.to_numpy(dtype=np.int64)
    return row_digests(frame, columns)


def _index(keys: Keys) -> Any:
    import pandas as pd

    return pd.Index(keys, name=ROW_KEY)


def digests_of(content: bytes) -> Keys | None:
    """(n,) keys in a file that `numpy.save` wrote; None when it is anything else. Its header allocates nothing."""
    head = _NPY_HEAD.match(content)
    if head is None:
        return None
    body = content[10 + int.from_bytes(content[8:10], "little") :]
    n_rows = int(head[1])
    return np.frombuffer(body, dtype="<i8").astype(np.int64) if n_rows and len(body) == 8 * n_rows else None
