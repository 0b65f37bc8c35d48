"""The Jinja environment of every HTML page.

Not here: templates (templates/ of the package that renders them) and their filters (reports/drift_page.py).
"""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from pmmds_core.runtime.plurals import counted, plural


@cache
def html_environment(package: str) -> Environment:
    """Return the environment for the `templates/` of an importable package.

    It escapes values and raises for undefined names.

    The filters `counted` and `plural` are from runtime/plurals.py: `{{ 1 | counted("row") }}` is `1 row`.
    """
    jinja = Environment(loader=PackageLoader(package), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    jinja.filters.update(counted=counted, plural=plural)
    return jinja
