"""One module per command group; each registers itself with the application in main.py."""
