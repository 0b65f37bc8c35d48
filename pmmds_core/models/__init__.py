"""Portable scorers and their compilers, the model bundle, calibration, explanations, latency.

Training is in training/.
"""
