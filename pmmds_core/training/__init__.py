"""Candidate pipelines, split, mix, model card and release.

Does not live here: registering a version (stores/artifacts/), scorers (models/).
"""
