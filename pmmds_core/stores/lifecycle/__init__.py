"""Alerts, decisions, the promotion lock, retrainings, the outbox and its notifier, status.

Model files are in artifacts/.
"""
