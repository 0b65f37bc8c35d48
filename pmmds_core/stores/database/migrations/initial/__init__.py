"""The tables of revision 0001, with one module per area.

They are frozen, and later changes go into separate revisions.
"""
