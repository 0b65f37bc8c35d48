"""Write the sources of the documentation site to build/docs; with --check, check the site that was built from them."""

from __future__ import annotations

import sys
from pathlib import Path

from pmmds_tests.harness.docs_site.reference.pages import write_reference
from pmmds_tests.harness.docs_site.site_check import site_problems
from pmmds_tests.harness.docs_site.staging import ROOT, stage

SOURCES, SITE = ROOT / "build" / "docs", ROOT / "build" / "site"


def main(arguments: list[str]) -> int:
    """The exit code: 1 if the built site has problems, which are printed to standard error."""
    if arguments == ["--check"]:
        return report(site_problems(SITE))
    stage(SOURCES)
    write_reference(SOURCES / "reference")
    return 0


def report(problems: list[str]) -> int:
    sys.stderr.writelines(f"{problem}\n" for problem in problems)
    return 1 if problems else 0


if __name__ == "__main__":
    Path(SOURCES).mkdir(parents=True, exist_ok=True)
    raise SystemExit(main(sys.argv[1:]))
