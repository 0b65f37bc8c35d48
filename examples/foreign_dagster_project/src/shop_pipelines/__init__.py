"""A team's own Dagster project, to which PMMDS's loop is added."""
