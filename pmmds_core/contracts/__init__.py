"""Contracts: the packaged ones (YAML), loading and checking them, decoding and validating requests.

Reading files of rows is in data/.
"""
