"""Reference files as data frames: text tables, schema and expectation checks, digests, row identity.

Drift of files is in file_drift/.
"""
