"""Workflows of jobs and commands: monitor, promote, approve, roll back, retrain, reproduce, explain, expire.

Not here: pure rules (policies/), database access (stores/).
"""
