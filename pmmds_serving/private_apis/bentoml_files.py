"""Static files that BentoML ships, such as Swagger UI's. Importing this module does not import BentoML.

Not here: the pages that use the files (http/pages.py).
"""

from __future__ import annotations

from importlib import resources


def static_file(name: str) -> bytes:
    """Return the content of a static file that BentoML ships. Raises FileNotFoundError."""
    return resources.files("bentoml._internal.server").joinpath("static_content", name).read_bytes()
