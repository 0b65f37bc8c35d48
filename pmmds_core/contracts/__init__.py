"""Contracts: the packaged one (YAML), loading and checking contracts, decoding and validating requests.

Does not live here: reading data files by a contract (data/).
"""
