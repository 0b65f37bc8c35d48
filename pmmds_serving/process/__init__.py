"""Sidecar processes and their error guard. What each sidecar does is in shipping/, model/ and shadow/."""
