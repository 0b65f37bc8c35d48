"""Contracts: the packaged one (YAML), loading and checking contracts, decoding and validating requests.

Not here: reading data files by a contract (data/).
"""
