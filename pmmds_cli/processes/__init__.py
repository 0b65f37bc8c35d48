"""Ports, process definitions, the supervisor, health checks and doctor. Does not live here: commands (commands/)."""
