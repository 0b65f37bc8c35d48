"""The named drift rules, one pure module each.

Does not live here: combining their verdicts and selecting the alerting rules (drift/policy.py).
"""
