"""Settings (`PMMDS_*` variables), their types, secrets in files and the admin token.

Not here: the code that a setting controls, which reads it from `Settings`.
"""
