"""Promotion, rollback, retraining and alert policies, decision states and message text: pure functions.

Not here: acting on them (workflows/).
"""
