"""The model registry (MLflow), cached bundles, data sets.

Does not live here: decisions about versions (stores/lifecycle).
"""
