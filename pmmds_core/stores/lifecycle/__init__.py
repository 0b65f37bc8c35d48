"""Alerts, decisions, the promotion lock, retrainings, the outbox and its notifier, retention, status.

Does not live here: model files (stores/artifacts).
"""
