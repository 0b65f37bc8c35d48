"""The Dagster home and the Dagster daemon with its leader election.

Not here: asset definitions (the parent package).
"""
