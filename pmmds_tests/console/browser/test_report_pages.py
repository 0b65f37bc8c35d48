"""The static report pages in a browser: axe-core finds no violation, and no page is wider than a narrow window."""

from __future__ import annotations

import pytest

from pmmds_core.deployment import Deployment
from pmmds_core.workflows.performance_report import write_performance_report
from pmmds_tests.harness.accessibility import violations
from pmmds_tests.harness.browser import Browser

pytestmark = pytest.mark.process
NARROW = 360
