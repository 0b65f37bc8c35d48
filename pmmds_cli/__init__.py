"""The `pmmds` command: thin, with lazy imports. What it does is in the other packages."""
