"""Champion against challenger, segments, traffic replay, shadow agreement, CBPE validity, label delays.

Does not live here: decisions (policies/), pages and texts (reports/).
"""
