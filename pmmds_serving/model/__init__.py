"""Selects, downloads, verifies and caches the model version to serve, and loads it in the workers.

Scoring is in prediction/.
"""
