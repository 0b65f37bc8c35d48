"""Statistical tests, intervals and classification metrics as functions of arrays, and the Verdict enum.

Not here: decisions based on them (drift/, policies/).
"""
