"""Settings (`PMMDS_*` variables), their types and secrets in files. What a setting changes is where it is used."""
