"""Five data sets that resemble users' data: missing values, dates, ids, booleans, 1,000 categories.

Seeds are fixed. The labels depend on some features, so that a model can be trained. Not here: contracts, which tests
infer.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

LABEL = "churned"
N_ROWS = 2000


def _label(
    rng: np.random.Generator, score: NDArray[np.float64], words: tuple[str, str] = ("no", "yes")
) -> NDArray[np.str_]:
    return np.where(rng.random(len(score)) < 1 / (1 + np.exp(-3 * score)), words[1], words[0])


def with_missing_values() -> pd.DataFrame:
    """Return rows with words that mean missing in numbers and text, and a column that is mostly blank."""
    rng = np.random.default_rng(1)
    age = rng.integers(18, 90, N_ROWS)
    return pd.DataFrame(
        {
            "Age": np.where(rng.random(N_ROWS) < 0.1, "n/a", age.astype(str)),
            "Plan": rng.choice(["basic", "plus", "?", ""], N_ROWS, p=[0.5, 0.3, 0.1, 0.1]),
            "Fax": np.where(rng.random(N_ROWS) < 0.9, "", "yes"),
            "Amount": np.round(rng.lognormal(3, 1, N_ROWS), 2),
            LABEL: _label(rng, (age - 54) / 20),
        }
    )


def with_dates() -> pd.DataFrame:
    """Return rows with dates in ISO format, in a local format, and in three formats in one column."""
    rng = np.random.default_rng(2)
    day = pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 300, N_ROWS), unit="D")
    forms = ("%Y-%m-%d", "%d.%m.%Y", "%b %d %Y")
    temperature = rng.normal(10, 8, N_ROWS).round(1)
    return pd.DataFrame(
        {
            "created": day.strftime("%Y-%m-%d"),
            "paid on": day.strftime("%d.%m.%Y"),
            "shipped": [d.strftime(forms[i % 3]) for i, d in enumerate(day)],
            "temperature": temperature,
            LABEL: _label(rng, (temperature - 10) / 8),
        }
    )


def with_ids() -> pd.DataFrame:
    """Return rows with a text id, a running number, and a sparse number that only its name identifies as an id."""
    rng = np.random.default_rng(3)
    visits = rng.integers(0, 40, N_ROWS)
    return pd.DataFrame(
        {
            "row": np.arange(N_ROWS),
            "customerID": [f"C-{i:06d}" for i in rng.permutation(N_ROWS)],
            "account_number": rng.choice(10**9, N_ROWS, replace=False),
            "visits": visits,
            LABEL: _label(rng, (visits - 20) / 10),
        }
    )


def with_booleans() -> pd.DataFrame:
    """Return rows with Booleans in three spellings, a 0/1 feature, and a 0/1 label."""
    rng = np.random.default_rng(4)
    flag, other = rng.random(N_ROWS) < 0.4, rng.random(N_ROWS) < 0.5
    income = rng.normal(0, 1, N_ROWS).round(3)
    return pd.DataFrame(
        {
            "newsletter": np.where(flag, "TRUE", "false"),
            "member": np.where(other, "True", "False"),
            "active": flag.astype(int) ^ (rng.random(N_ROWS) < 0.5),
            "income": income,
            LABEL: _label(rng, income + flag - 0.4, ("0", "1")),
        }
    )


def with_many_categories() -> pd.DataFrame:
    """Return rows with a column of exactly 1,000 categories, some of which are rare."""
    rng = np.random.default_rng(5)
    n_rows = 4000
    shop = np.concatenate([np.arange(1000), rng.zipf(1.3, 10 * n_rows) - 1])
    shop = shop[shop < 1000][:n_rows]
    price = rng.uniform(1, 100, n_rows).round(2)
    return pd.DataFrame(
        {"shop": [f"shop {s:04d}" for s in shop], "price": price, LABEL: _label(rng, (price - 50) / 30)}
    ).sample(frac=1, random_state=5)


DATA_SETS: dict[str, Callable[[], pd.DataFrame]] = {
    "missing_values": with_missing_values,
    "dates": with_dates,
    "ids": with_ids,
    "booleans": with_booleans,
    "many_categories": with_many_categories,
}
