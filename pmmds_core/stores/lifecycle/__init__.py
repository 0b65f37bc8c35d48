"""Alerts, decisions, the promotion lock, retrainings, the outbox and its notifier, retention, status.

Not here: model files (stores/artifacts).
"""
