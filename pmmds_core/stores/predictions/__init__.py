"""The prediction log, its archive, labels, shadow predictions and request ids.

Does not live here: counts per bin (stores/monitoring).
"""
