"""The generator of synthetic rows, its fit to real rows, and traffic scenarios.

Does not live here: sending traffic (pmmds_cli/commands/traffic.py).
"""
