"""The entry point of the `pmmds` command. It runs the application and prints every error as one sentence.

Not here: the application (application.py), the sentences (output/failures.py).
"""

from __future__ import annotations

import atexit
import gc
import sys

from pmmds_cli.output.failures import CommandErrors

# Imports create 400,000 objects that live until exit. Collecting garbage among these objects takes a quarter of the
# import time, and as long again at exit.
_GC_THRESHOLD = 500_000


def main() -> None:
    """Run the command line. Exit codes: 0 success, 1 failure, 2 wrong usage, 3 condition not met, 4 too few rows."""
    gc.set_threshold(_GC_THRESHOLD)
    atexit.register(gc.freeze)
    with CommandErrors(sys.argv[1:]) as errors:
        from pmmds_cli.application import app  # Import here, so that an import error is reported like any other error.

        app()
    sys.exit(errors.exit_code)


if __name__ == "__main__":
    main()
