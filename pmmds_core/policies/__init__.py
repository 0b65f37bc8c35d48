"""Promotion, rollback, retraining and alert policies, decision states and message text, as pure functions.

Not here: acting on them (workflows/).
"""
