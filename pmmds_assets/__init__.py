"""Dagster: asset definitions, jobs, sensors, schedules and checks.

The implementation is in pmmds_core; instance/ contains the Dagster home and the daemon.
"""
