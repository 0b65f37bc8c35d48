"""Reads the alert rules and dashboards in deploy/, and the metrics and labels in their expressions."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent.parent
PROMETHEUS, GRAFANA = ROOT / "deploy" / "prometheus", ROOT / "deploy" / "grafana"
RULES = PROMETHEUS / "rules" / "pmmds.yml"

_SELECTOR = re.compile(r"\b(pmmds_\w+|up)\b(?:\{([^}]*)\})?")
_GROUPING = re.compile(r"\b(?:by|without) \(([^)]*)\)")
# Labels that Prometheus itself adds.
TARGET_LABELS = frozenset({"job", "instance"})


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboards() -> dict[str, dict[str, Any]]:
    """Return the dashboards by file name."""
    files = sorted((GRAFANA / "dashboards").glob("*.json"))
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in files}


def panel_queries() -> list[str]:
    """Return all panel queries, with Grafana's built-in variables filled in."""
    found = [t["expr"] for board in dashboards().values() for panel in board["panels"] for t in panel["targets"]]
    return [expression.replace("$__rate_interval", "1m") for expression in found]


def metrics_of(expression: str) -> dict[str, set[str]]:
    """Return the labels that the expression selects, by metric."""
    found: dict[str, set[str]] = {}
    for name, matchers in _SELECTOR.findall(expression):
        labels = {m.group(1) for m in re.finditer(r"(\w+)\s*(?:=~|!~|!=|=)", matchers)}
        found.setdefault(name, set()).update(labels)
    return found


def groupings_of(expression: str) -> set[str]:
    """Return the labels that the expression groups by."""
    return {label.strip() for listed in _GROUPING.findall(expression) for label in listed.split(",") if label.strip()}
