"""Files read and counted with DuckDB and Spark; the download of public data.

Text tables for training are in data/.
"""
