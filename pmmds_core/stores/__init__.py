"""Reads and writes databases, files and the MLflow registry, with one subpackage per kind of data.

Not here: data types and rules, which are in the other packages of pmmds_core.
"""
