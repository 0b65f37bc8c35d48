"""Reads and counts files with DuckDB and Spark; downloads public data.

Not here: text tables for training (data).
"""
