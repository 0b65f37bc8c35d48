"""Champion against challenger, segments, traffic replay, shadow agreement, CBPE validity, label delays.

Not here: decisions (policies/), pages and texts (reports/).
"""
