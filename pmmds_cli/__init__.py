"""The `pmmds` command.

Commands/ over processes/, client/ and output/; imports of heavy libraries are inside functions.
"""
