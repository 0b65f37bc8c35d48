"""Reads and counts files with DuckDB and Spark; downloads public data.

Does not live here: text tables for training (data).
"""
