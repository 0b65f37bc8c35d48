"""Candidate pipelines, the split and mix of the training rows, the model card and the release.

Not here: registering a version (stores/artifacts/), scorers (models/).
"""
