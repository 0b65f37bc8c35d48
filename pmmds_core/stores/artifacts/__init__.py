"""The model registry (MLflow), cached bundles, data sets. Decisions about versions are in lifecycle/."""
