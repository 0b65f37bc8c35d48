"""The commands, one module per group; application.py registers them."""
