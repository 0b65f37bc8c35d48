"""Row keys, which ensure that no row is used for both training and evaluation.

By default, a row is identified by its content. If more than 5% of the rows repeat another row's content, as with few
features, a split by content would exclude every customer with certain contents from training. In this case, a reference
row is identified by its content, label and occurrence number, and a production row by its request id. Keys are the
frame's index. Decision 36 gives the reasons. Not here: assigning rows to training or holdout (training/split.py).
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
# The header of a one-dimensional int64 array in version 1.0 of NumPy's file format.
_NPY_HEAD = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '<i8', 'fortran_order': False, 'shape': \((\d{1,12}),\), \}", re.DOTALL
)
ROW_KEY = "row_key"
# A column of the labeled data set with the same name as in prediction_logs. The name is reserved in contracts.
REQUEST_ID = "request_id"
# If the share of duplicate rows is larger, content cannot identify a row. For Telco, the share is 0.6% of 7,043 rows.
MAX_REPEATED = 0.05
# The values of the tag `row_identity` of a version and its data set. A version without the tag uses BY_CONTENT.
BY_CONTENT, BY_OCCURRENCE = "content", "occurrence"


def identity_of(reference: pd.DataFrame, contract: Contract) -> str:
    """Return the kind of identity for the rows of a reference.

    The result is BY_OCCURRENCE if more than `MAX_REPEATED` of the rows repeat the content of an earlier row, and
    BY_CONTENT otherwise.
    """
    if reference.empty:
        return BY_CONTENT
    n_contents = len(np.unique(row_digests(reference, contract.feature_names)))
    return BY_OCCURRENCE if 1 - n_contents / len(reference) > MAX_REPEATED else BY_CONTENT


def with_reference_keys(reference: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    """Return the rows, indexed by a key derived from the content, the label and the occurrence number.

    Reordering the file does not change the keys.
    """
    import pandas as pd

    digests = row_digests(reference, (*contract.feature_names, contract.label.name))
    before: Keys = pd.Series(digests).groupby(digests).cumcount().to_numpy().astype(np.int64)
    return reference.set_axis(_index(extended_digests(digests, before, "reference")), axis=0)


def with_production_keys(labeled: pd.DataFrame) -> pd.DataFrame:
    """Return the rows, indexed by a key derived from their `REQUEST_ID`."""
    return labeled.set_axis(_index(row_digests(labeled, (REQUEST_ID,))), axis=0)


def keys_of(frame: pd.DataFrame, columns: Sequence[str]) -> Keys:
    """Return the row keys as an array of shape (n,).

    These are the keys in the index, if it has them, or else the digests of `columns`.
    """
    if frame.index.name == ROW_KEY:
        return frame.index.to_numpy(dtype=np.int64)
    return row_digests(frame, columns)


def _index(keys: Keys) -> Any:
    import pandas as pd

    return pd.Index(keys, name=ROW_KEY)


def digests_of(content: bytes) -> Keys | None:
    """Read row keys from the bytes of a `.npy` file.

    The result has shape (n,). It is None unless the bytes are a non-empty int64 vector of the expected length. The
    length in the header is compared with the content before any memory is allocated.
    """
    head = _NPY_HEAD.match(content)
    if head is None:
        return None
    body = content[10 + int.from_bytes(content[8:10], "little") :]
    n_rows = int(head[1])
    return np.frombuffer(body, dtype="<i8").astype(np.int64) if n_rows and len(body) == 8 * n_rows else None
