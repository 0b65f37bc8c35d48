"""Alembic's home. A revision is a file in `versions`, named NNNN_what_it_does.py, applied in one transaction."""
