"""The model registry (MLflow), cached bundles, data sets.

Not here: decisions about versions (stores/lifecycle).
"""
