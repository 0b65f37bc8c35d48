"""Bins, the queries that count them, the reference profile and binned reference rows.

Engines that run the queries are in stores/.
"""
