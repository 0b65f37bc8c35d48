"""The table of orders, and its export for training."""

import csv
import sqlite3
from pathlib import Path

import dagster as dg
import numpy as np

# The folder is relative to the project's root, like the paths in returns/defs.yaml.
STATE = Path(__file__).parents[4] / "state"
N_ORDERS = 2000
COLUMNS = ("order_id", "amount", "n_items", "country", "returned")


@dg.asset(key_prefix="warehouse", group_name="orders")
def orders() -> dg.MaterializeResult:
    """The table of finished orders. A real project would load it from the shop."""
    draw = np.random.default_rng(7)
    rows = []
    for order_id in range(N_ORDERS):
        amount, n_items = round(float(draw.lognormal(4, 0.8)), 2), int(draw.integers(1, 10))
        country = str(draw.choice(["DE", "FR", "US"]))
        share = 0.15 + 0.06 * n_items + (0.15 if country == "DE" else 0) - 0.0005 * amount
        rows.append((order_id, amount, n_items, country, "yes" if draw.random() < share else "no"))
    STATE.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(STATE / "warehouse.db") as database:
        database.execute("DROP TABLE IF EXISTS orders")
        database.execute(f"CREATE TABLE orders ({', '.join(COLUMNS)})")
        database.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?)", rows)
    return dg.MaterializeResult(metadata={"dagster/row_count": len(rows)})


@dg.asset(key_prefix="warehouse", group_name="orders", deps=[orders])
def orders_export() -> dg.MaterializeResult:
    """The table as a CSV file, which PMMDS reads as the reference data."""
    file = STATE / "orders.csv"
    with sqlite3.connect(STATE / "warehouse.db") as database, file.open("w", newline="", encoding="utf-8") as out:
        rows = database.execute(f"SELECT {', '.join(COLUMNS)} FROM orders").fetchall()
        csv.writer(out).writerows([COLUMNS, *rows])
    return dg.MaterializeResult(metadata={"dagster/row_count": len(rows), "path": dg.MetadataValue.path(str(file))})


@dg.asset(group_name="orders")
def training_data() -> None:
    """An asset of the project that has the name of one of PMMDS's assets: the key prefix keeps them apart."""
