"""Portable scorers and their compilers, the model bundle, calibration, explanations and latency.

Not here: training (training/), the registry (stores/artifacts/).
"""
