"""Stores: the only I/O of the core. One module per kind of thing that is kept."""
