"""I/O with databases, files and MLflow: database, files, predictions, monitoring, identity, lifecycle, artifacts.

Not here: the data types and rules, which are in the packages above.
"""
