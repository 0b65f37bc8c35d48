"""The project's assets, and PMMDS's loop in returns/defs.yaml."""
