"""The `pmmds` command.

commands/ uses processes/, client/ and output/. Heavy libraries are imported inside functions.
"""
