"""The generator of synthetic rows, how it is fitted, and traffic scenarios.

Sending traffic is in the command line.
"""
