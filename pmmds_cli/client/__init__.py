"""The client of the running service and the runner of Dagster jobs.

Does not live here: starting processes (processes/).
"""
