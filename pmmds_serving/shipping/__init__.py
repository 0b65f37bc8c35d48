"""Moves spooled records into the prediction log: delivery, dead letters, files of dead workers.

The spool itself is in spool/.
"""
