"""Promotion, rollback, retraining and alert policies, decision states and message text: pure functions.

Acting on them is in workflows/.
"""
