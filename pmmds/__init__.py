"""The Python API of PMMDS: read a deployment's monitoring data, or compare two data frames without a deployment.

    import pmmds

    monitoring = pmmds.connect("http://127.0.0.1:8010")
    monitoring.series("tenure").to_pandas()
    pmmds.compare(df_reference, df_current)

client.py      `Monitoring`, the client of the console's API
rows.py        lists of rows, convertible to data frames and HTML
transport.py   requests, retries and errors
resources.py   the rows and documents of the API, shared with the console
webhooks.py    verification and types of webhook events
errors.py      errors of the client
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from pmmds.client import Monitoring
    from pmmds.webhooks import WebhookEvent
    from pmmds_core.contracts.contract import Contract
    from pmmds_core.drift.policy import DriftRule
    from pmmds_core.file_drift.compare import FileComparison
    from pmmds_core.stores.files.file_options import FileOptions

__all__ = ["__version__", "compare", "connect", "verify_webhook"]
__version__ = version("pmmds")


def connect(url: str, token: str = "", *, timeout: float = 30.0, retries: int = 3) -> Monitoring:
    """Return a client of a running `pmmds console`. Close the client, or use it in a `with` block.

    Args:
        url: address of the console, such as http://127.0.0.1:8010, including a proxy's path prefix.
        token: the admin token; empty for a console on loopback.
        timeout: timeout of each request in seconds.
        retries: number of retries after a 503 response or a failed connection.

    Raises:
        InvalidCallError: the URL is not an http or https address.
    """
    from pmmds.client import Monitoring
    from pmmds.transport import Transport

    return Monitoring(Transport(url, token, timeout=timeout, retries=retries))


def compare(
    reference: pd.DataFrame | pa.Table,
    current: pd.DataFrame | pa.Table,
    *,
    contract: Contract | str | Path | None = None,
    columns: Sequence[str] = (),
    score: str = "",
    rule: DriftRule | None = None,
    options: FileOptions | None = None,
) -> FileComparison:
    """Check two data frames for drift, with the rules and options of `pmmds drift compare`.

    The result is the same as if both were written to Parquet with pandas and the files compared. Notebooks display it
    as a table; `result.to_html()` is the full report, and `result.document` has plain JSON values.

    Args:
        reference: the baseline data, which defines the bins.
        current: the data to compare with it; must have the reference's columns.
        contract: kinds, ranges and the meaning of blanks, as an object or file; None infers it from the reference.
        columns: columns to compare if there is no contract; empty compares all.
        score: column with the model's score (0–1) in both frames; reported, but not counted as a feature.
        rule: thresholds; None uses the settings' defaults.
        options: per-column kinds, missing-value markers, bins and thresholds.

    Raises:
        InputFileError: a frame is empty, has duplicate or unsupported columns, or does not match the other frame, the
            contract or the options.
        ContractError: the contract is invalid.
    """
    from pmmds_core.file_drift.frames import compare_frames

    return compare_frames(
        reference, current, contract=contract, columns=columns, score=score, rule=rule, options=options
    )


def verify_webhook(body: bytes | str, headers: Mapping[str, str], secret: str | Sequence[str]) -> WebhookEvent:
    """The event of a webhook request, after its signature and its time are checked.

    The same event may arrive more than once with the same `id`; ignore ids that you have processed.

    Args:
        body: the request's body, unchanged.
        headers: the request's headers; upper and lower case are equal.
        secret: PMMDS_WEBHOOK_SECRET; several during a rotation.

    Raises:
        InvalidWebhookError: a header is missing, no signature matches, the request is more than five minutes old or
            ahead, or the body is not an event.
        InvalidCallError: a secret has another form.
    """
    from pmmds.webhooks import verify

    return verify(body, headers, secret)
