"""Portable scorers and their compilers, the model bundle, calibration, explanations, latency.

Not here: training (training/), the registry (stores/artifacts/).
"""
