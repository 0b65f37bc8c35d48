"""One module per command group; main.py registers them."""
