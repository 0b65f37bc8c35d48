"""People and programs: users, passwords, API tokens, sessions, and the audit events of what they did.

Not here: sign-in over HTTP (pmmds_console/sign_in), what a role may do (policies/roles.py).
"""
