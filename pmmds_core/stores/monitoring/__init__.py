"""Bin counts, histograms, stored drift reports, daily performance. Single predictions are in predictions/."""
