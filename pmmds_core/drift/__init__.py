"""Drift measures, comparison with a profile, statements, segments, the drift policy and its rules/.

Not here: report pages (reports/), choosing windows and raising alerts (workflows/).
"""
