"""The named drift rules, one pure module each.

Not here: combining their verdicts and selecting the alerting rules (drift/policy.py).
"""
