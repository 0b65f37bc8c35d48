"""Alerts, decisions, the promotion lock, retrainings, the outbox and its notifier, retention and status.

Not here: model files (stores/artifacts).
"""
