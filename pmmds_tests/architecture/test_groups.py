"""pytest-xdist puts all tests of a group on one worker, so that they share their processes and fixed ports."""

from __future__ import annotations

import os

import pytest


@pytest.mark.xdist_group("a-group")
def test_groups_are_effective(request: pytest.FixtureRequest) -> None:
    if "PYTEST_XDIST_WORKER" not in os.environ:
        pytest.skip("The tests run without workers.")
    assert request.node.nodeid.endswith("@a-group"), "pytest-xdist ignores groups with this version of pytest"
