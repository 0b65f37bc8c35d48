"""Feature bins, the queries that count them, the reference profile and binned reference rows.

Not here: running the queries (stores/) and comparing counts (drift/).
"""
