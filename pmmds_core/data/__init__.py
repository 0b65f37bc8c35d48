"""Converts data files to data frames: text tables, schema and expectation checks, digests, row identity.

Not here: drift between files (file_drift/) and finding or downloading the reference file (stores/files/).
"""
