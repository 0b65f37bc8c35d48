"""A client for the running service and a runner for Dagster jobs.

Not here: starting processes (processes/).
"""
