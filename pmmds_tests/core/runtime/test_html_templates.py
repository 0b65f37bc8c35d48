"""The Jinja environment that renders every HTML page."""

from __future__ import annotations

import pytest
from jinja2 import UndefinedError

from pmmds_core.runtime.html_templates import html_environment


@pytest.mark.parametrize("package", ["pmmds_core.data", "pmmds_core.reports", "pmmds_serving.http"])
def test_values_are_escaped_and_undefined_names_raise_an_error(package: str) -> None:
    environment = html_environment(package)
    assert environment.list_templates()
    assert environment.from_string("{{ value }}").render(value="<script>") == "&lt;script&gt;"
    with pytest.raises(UndefinedError):
        environment.from_string("{{ missing }}").render()
