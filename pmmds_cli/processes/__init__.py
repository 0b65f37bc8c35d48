"""Ports, process definitions, the supervisor, health checks and doctor. Not here: commands (commands/)."""
