"""Statistical tests, intervals and classification metrics: arrays in, numbers out.

Decisions made from them are in drift/ and policies/.
"""
