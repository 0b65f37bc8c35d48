"""Data files to data frames: text tables, schema and expectation checks, digests, row identity.

Does not live here: drift between files (file_drift/) and finding or downloading the reference file (stores/files/).
"""
