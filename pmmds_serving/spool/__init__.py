"""The spool, which is the durable local log of predictions that are not in the database yet.

Moving it to the database is in shipping/.
"""
