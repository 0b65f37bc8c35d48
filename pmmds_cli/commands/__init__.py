"""The commands, with one module per group. application.py registers them."""
