"""The prediction log, its archive, labels, shadow predictions and request ids.

Not here: counts per bin (stores/monitoring).
"""
