"""Contracts: the packaged ones (YAML) and the code that loads, checks and derives from them."""
