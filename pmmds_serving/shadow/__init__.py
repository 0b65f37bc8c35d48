"""Scores live traffic with the challenger, outside the workers. Choosing the challenger is in model/challenger.py."""
