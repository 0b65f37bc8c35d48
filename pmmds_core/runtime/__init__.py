"""JSON logs, process ids, file locks, private folders and atomic writes.

Nothing of the domain: see the other packages.
"""
