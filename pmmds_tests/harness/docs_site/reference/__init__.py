"""Reference pages generated from the code, one module per subject; pages.py writes them all."""
