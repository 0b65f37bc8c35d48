"""The durable log of answered predictions: chunks, sync, search, limits.

Moving it to the database is in shipping/.
"""
