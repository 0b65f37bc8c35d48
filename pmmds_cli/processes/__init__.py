"""Process definitions, ports, the supervisor, health checks and `pmmds doctor`. Not here: commands (commands/)."""
