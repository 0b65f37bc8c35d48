"""The generator of synthetic rows, its fit to real rows, and traffic scenarios.

Not here: sending traffic (pmmds_cli/commands/traffic.py).
"""
