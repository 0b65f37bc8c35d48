"""The revisions, in order. Add new revisions at the end, and never change a released revision (see CONTRIBUTING.md)."""
