"""Champion against challenger, segments, traffic replay, shadow agreement, CBPE validity, label delays.

Deciding is in policies/.
"""
