"""Workflows of jobs and commands: monitor, promote, approve, roll back, retrain, reproduce, explain, retain.

Not here: pure rules (policies/), database access (stores/).
"""
