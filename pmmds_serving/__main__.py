"""The command `python -m pmmds_serving`, which checks the settings and then becomes the BentoML server.

The supervisor and containers start this module. Not here: anything that must run after the `exec`.
"""

from __future__ import annotations

import os
import sys

from pmmds_core.config.settings import load_settings
from pmmds_core.errors import PmmdsError
from pmmds_serving.launch import check_before_serving, serve_command
from pmmds_serving.process.home_lock import take_home


def main() -> None:
    try:
        settings = load_settings()
        lock = take_home(settings)
        check_before_serving(settings)
    except PmmdsError as error:
        sys.stderr.write(f"Error: {error}\n")
        sys.exit(error.exit_code)
    argv, variables = serve_command(settings)
    with lock:  # The server inherits the lock.
        os.execvpe(argv[0], argv, {**os.environ, **settings.to_environment(), **variables})


if __name__ == "__main__":
    main()
