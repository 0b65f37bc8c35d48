"""Finds, fetches, verifies, caches and follows the model version that serves. Scoring is in prediction/."""
