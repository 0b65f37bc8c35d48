"""Selects, downloads, verifies, caches and follows the served model version. Scoring is in prediction/."""
