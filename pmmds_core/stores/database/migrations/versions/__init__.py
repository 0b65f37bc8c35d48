"""The revisions, in order. Add the next one at the end; never change one that was released."""
