"""Ports, process definitions, the supervisor, health checks and doctor. Commands are in commands/."""
