"""The client of the running service and the runner of Dagster jobs.

Not here: starting processes (processes/).
"""
