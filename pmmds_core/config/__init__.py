"""The settings (`PMMDS_*` variables), the types of settings, secrets in files and the admin token.

Not here: the code that a setting controls, which reads it from `Settings`.
"""
