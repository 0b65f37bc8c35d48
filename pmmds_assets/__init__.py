"""Dagster: asset definitions, jobs, sensors, schedules and checks.

The work itself is in pmmds_core; instance/ has the Dagster home and the daemon.
"""
