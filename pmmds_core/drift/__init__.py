"""Drift measures, comparison with a profile, statements, the policy and its rules/.

Pages are in reports/, windows in workflows/.
"""
