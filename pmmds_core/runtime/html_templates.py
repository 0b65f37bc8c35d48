"""The Jinja environment of every HTML page.

Not here: templates (templates/ of the package that renders them) and their filters (reports/drift_page.py).
"""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined


@cache
def html_environment(package: str) -> Environment:
    """The environment for `templates/` of an importable package; values are escaped, undefined names raise."""
    return Environment(loader=PackageLoader(package), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
