"""Bin counts, histograms, stored drift reports and daily performance.

Not here: individual predictions (stores/predictions).
"""
