"""Counts rows of files with DuckDB and Spark; downloads public data. Not here: reading training data (data)."""
