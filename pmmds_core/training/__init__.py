"""Candidate pipelines, split, mix, model card and release. Registering a version is in stores/artifacts/."""
