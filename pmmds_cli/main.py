"""The entry point of the `pmmds` command: runs the application and prints every error as one sentence.

Not here: the application (application.py), the sentences (output/failures.py).
"""

from __future__ import annotations

import atexit
import gc
import sys

from pmmds_cli.output.failures import CommandErrors

# A command imports 400,000 objects that all stay. Collecting them costs a quarter of the import, and again at the exit.
_GC_THRESHOLD = 500_000


def main() -> None:
    """Run the command line. Exit codes: 0 success, 1 failure, 2 wrong usage, 3 condition not met, 4 too few rows."""
    gc.set_threshold(_GC_THRESHOLD)
    atexit.register(gc.freeze)
    with CommandErrors(sys.argv[1:]) as errors:
        from pmmds_cli.application import app  # inside, so that a failing import is reported like any other error

        app()
    sys.exit(errors.exit_code)


if __name__ == "__main__":
    main()
