"""Groups, owners and kinds, so that every asset names them alike."""

from __future__ import annotations

DATA, TRAINING, MONITORING, PROMOTION = "data", "training", "monitoring", "promotion"
OWNERS = ["team:mlops"]
