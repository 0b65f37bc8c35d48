"""The people and programs that use PMMDS: users, passwords, API tokens, sessions and audit events.

Not here: sign-in over HTTP (pmmds_console/sign_in), what a role may do (policies/roles.py).
"""
