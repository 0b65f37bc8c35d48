"""The model registry (MLflow), cached bundles and data sets.

Not here: decisions about versions (stores/lifecycle).
"""
