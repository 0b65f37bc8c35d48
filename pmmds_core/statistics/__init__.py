"""Statistical tests, intervals and classification metrics: arrays in, numbers out. Also the Verdict enum.

Not here: decisions made from them (drift/, policies/).
"""
