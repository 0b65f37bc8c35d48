"""Portable scorers and their compilers, the model bundle, calibration, explanations, latency.

Does not live here: training (training/), the registry (stores/artifacts/).
"""
