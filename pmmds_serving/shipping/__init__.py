"""Moves spooled records into the prediction log, and handles dead letters and the files of dead workers.

The spool itself is in spool/.
"""
