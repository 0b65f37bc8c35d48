"""Write the sources of the documentation site to build/docs. `make docs` runs this before it builds the site."""

from __future__ import annotations

from pmmds_tests.harness.docs_site.reference.pages import write_reference
from pmmds_tests.harness.docs_site.staging import ROOT, stage

SOURCES = ROOT / "build" / "docs"

if __name__ == "__main__":
    stage(SOURCES)
    write_reference(SOURCES / "reference")
