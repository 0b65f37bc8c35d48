"""The tables of people and programs: users, API tokens, sessions, approvals and audit events.

Add a column both here and in a new migration. A test compares the two. Not here: all other tables (tables.py), queries
(stores/identity/).
"""

from __future__ import annotations

import sqlalchemy as sa

from pmmds_core.stores.database.tables import UtcDateTime, fixed

__all__ = ["api_tokens", "audit_events", "console_sessions", "console_users", "decision_approvals", "fixed"]

console_users = sa.Table(
    "console_users",
    fixed,
    sa.Column("name", sa.String(128), primary_key=True),  # The key from names.key_of, in lower case.
    sa.Column("password_hash", sa.Text),  # An Argon2 hash, or NULL if the user cannot sign in with a password.
    sa.Column("role", sa.String(16), nullable=False),  # viewer, operator, approver
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("disabled_at", UtcDateTime),  # NULL if the user is enabled.
)

api_tokens = sa.Table(
    "api_tokens",
    fixed,
    sa.Column("token_id", sa.Integer, primary_key=True),
    # The SHA-256 digest of the token, which is not stored.
    sa.Column("digest", sa.String(64), nullable=False, unique=True),
    sa.Column("owner", sa.String(128), sa.ForeignKey("console_users.name"), nullable=False, index=True),
    # The token's maximum role. The owner's role limits the token as well.
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("revoked_at", UtcDateTime),
)

console_sessions = sa.Table(
    "console_sessions",
    fixed,
    # The SHA-256 digest of the cookie's value, which is not stored.
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(128), nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("method", sa.String(16), nullable=False),  # password, oidc
    sa.Column("form_token", sa.String(64), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("last_used_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False, index=True),
)

# Changes, refused requests and sign-ins. Rows are only appended.
audit_events = sa.Table(
    "audit_events",
    fixed,
    sa.Column("event_id", sa.Integer, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False, index=True),
    sa.Column("actor", sa.String(128), nullable=False),  # Empty if the actor is unknown.
    sa.Column("method", sa.String(16), nullable=False),  # How the actor was identified.
    # The client's address, or an empty string for the command line.
    sa.Column("address", sa.String(64), nullable=False),
    sa.Column("action", sa.String(32), nullable=False),
    sa.Column("target", sa.String(256), nullable=False),
    sa.Column("outcome", sa.String(16), nullable=False),  # done, refused, failed
    sa.Column("detail", sa.Text, nullable=False),
)

# The approvals of promotions, with one row per person and decision.
decision_approvals = sa.Table(
    "decision_approvals",
    fixed,
    sa.Column("decision_id", sa.String(12), sa.ForeignKey("promotion_decisions.decision_id"), primary_key=True),
    # The key from names.key_of, so that each person counts only once.
    sa.Column("approver", sa.String(128), primary_key=True),
    sa.Column("approved_by", sa.String(128), nullable=False),  # The name as entered.
    sa.Column("approved_at", UtcDateTime, nullable=False),
)
