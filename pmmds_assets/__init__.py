"""Dagster: what exists, when it is made, whether it is healthy. What things mean is in pmmds_core."""
