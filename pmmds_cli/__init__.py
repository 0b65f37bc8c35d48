"""The `pmmds` command line. The modules in commands/ use processes/, client/ and output/.

Heavy libraries are imported inside functions to keep the command fast.
"""
