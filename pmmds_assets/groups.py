"""Group names and owners shared by all assets."""

from __future__ import annotations

DATA, TRAINING, MONITORING, PROMOTION = "data", "training", "monitoring", "promotion"
OWNERS = ["team:mlops"]
