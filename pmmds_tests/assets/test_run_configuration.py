"""Run configuration may contain values but must not refer to environment variables of the run's process."""

from __future__ import annotations

from typing import Any

import pytest

from pmmds_assets.training_runs import refuse_variables
from pmmds_core.errors import UsageError


@pytest.mark.parametrize(
    "config",
    [
        {"ops": {"roll_back_production": {"config": {"reason": {"env": "PMMDS_DATABASE_URL"}}}}},
        {"ops": {"a": {"config": {"list": ["x", {"env": "PATH"}]}}}},
    ],
)
def test_env_variables_are_rejected_anywhere_in_run_config(config: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="refers to the environment variable"):
        refuse_variables(config)


def test_plain_values_are_accepted() -> None:
    refuse_variables({"ops": {"a": {"config": {"to": "2", "n": 3, "env": "PATH", "list": ["x", 1.5, None]}}}})
