"""Reads data files into data frames: parses text tables, checks schema and expectations, computes digests and row keys.

Not here: drift between files (file_drift/) and finding or downloading the reference file (stores/files/).
"""
