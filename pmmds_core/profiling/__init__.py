"""Feature bins, the queries that count them, the reference profile and binned reference rows.

Not here: the engines that run the queries (stores/) and comparisons (drift/).
"""
