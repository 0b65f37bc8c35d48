"""Contracts: the packaged one (YAML), loading and checking contracts, decoding and validating requests,
and what a cell of a file or a category of a request means.

Not here: reading data files by a contract (data/).
"""
