"""The challenger scores live traffic behind the workers. Choosing the challenger is in model/challenger.py."""
