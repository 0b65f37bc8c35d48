"""Contracts: the packaged one (YAML), loading and checking contracts, decoding and validating requests,
and the meaning of cells in files and of categories in requests.

Not here: reading data files by a contract (data/).
"""
