"""Candidate pipelines, split, mix, model card and release.

Not here: registering a version (stores/artifacts/), scorers (models/).
"""
