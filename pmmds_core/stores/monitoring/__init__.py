"""Bin counts, histograms, stored drift reports, daily performance.

Not here: individual predictions (stores/predictions).
"""
