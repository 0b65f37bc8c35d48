"""The tables of revision 0001, one module per area. Unchanged since 0.1.0: later changes go into separate revisions."""
