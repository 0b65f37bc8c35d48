"""The Python API of PMMDS: read and change the state of a deployment, or compare two data frames without one.

    import pmmds

    monitoring = pmmds.connect("http://127.0.0.1:8010")
    monitoring.series("tenure").to_pandas()
    pmmds.compare(df_reference, df_current)

client.py      `Monitoring`, the client of the console's API
changes.py     the client's methods that change alerts, decisions and the production version
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
    """Return a client for a running `pmmds console`. Close the client, or use it in a `with` block.

    Args:
        url: address of the console, such as http://127.0.0.1:8010, including a proxy's path prefix.
        token: an API token or the admin token. It may be empty for a console on a loopback address with sign-in off.
        timeout: the timeout for each request, in seconds.
        retries: the maximum number of retries after a 503 response or a failed connection. Changes are not retried.

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

    The result is the same as if both were written to Parquet with pandas and the files compared. Notebooks display the
    result as a table. `result.to_html()` returns the full report, and `result.document` has plain JSON values.

    Args:
        reference: the baseline data, which defines the bins.
        current: the data to compare with the reference. It must have the same columns.
        contract: the columns' kinds, ranges and meaning of blanks, as an object or file. None infers the contract from
            the reference.
        columns: the columns to compare if there is no contract. If empty, all columns are compared.
        score: the column with the model's score (0–1) in both frames. The report includes it, but it is not counted as
            a feature.
        rule: the thresholds. None uses the default settings.
        options: the kinds, missing-value markers, bins and thresholds of individual columns.

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
    """Check the signature and the time of a webhook request, and return its event.

    The same event may arrive more than once with the same `id`. Ignore ids that you have already processed.

    Args:
        body: the request's body, unchanged.
        headers: the request's headers, whose names are case-insensitive.
        secret: the value of PMMDS_WEBHOOK_SECRET, or several secrets during a rotation.

    Raises:
        InvalidWebhookError: a header is missing, no signature matches, the request is more than five minutes old or
            ahead, or the body is not an event.
        InvalidCallError: a secret is malformed.
    """
    from pmmds.webhooks import verify

    return verify(body, headers, secret)
