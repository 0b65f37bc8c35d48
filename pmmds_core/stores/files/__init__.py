"""Counts the rows of files with DuckDB and Spark, and downloads public data. Not here: reading training data (data)."""
