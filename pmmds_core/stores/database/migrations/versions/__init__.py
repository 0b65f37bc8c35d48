"""The revisions, in order. Add the next one at the end; never change a released one (CONTRIBUTING.md)."""
