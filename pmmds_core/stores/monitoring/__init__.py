"""Bin counts, histograms, stored drift reports, daily performance.

Does not live here: single predictions (stores/predictions).
"""
