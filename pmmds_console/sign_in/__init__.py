"""Who sends a request: credentials, sessions and the pages of signing in. A module imports only those above it.

clients.py      the address and the scheme of a request, also behind a trusted proxy
role_map.py     the role that a proxy or an identity provider gives a person
cookies.py      the cookies, and form tokens
answers.py      sign-in pages, and error pages of requests without an actor
actors.py       the actor of a request
passwords.py    sign-in of local users
oidc.py         sign-in with OpenID Connect
routes.py       the paths /sign-in and /sign-out

Not here: which requests are allowed (access.py), stored users and sessions (pmmds_core/stores/identity).
"""
