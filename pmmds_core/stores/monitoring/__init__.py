"""Bin counts, histograms, stored drift reports, daily performance.

Not here: single predictions (stores/predictions).
"""
