"""The tables of revision 0001, one module per area. Frozen with 0.1.0: later changes are separate revisions."""
