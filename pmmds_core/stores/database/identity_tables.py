"""Tables of people and programs: users, API tokens, sessions, approvals and the audit events.

Add a column here and in a new migration; a test compares the two. Not here: all other tables (tables.py), queries
(stores/identity/).
"""

from __future__ import annotations

import sqlalchemy as sa

from pmmds_core.stores.database.tables import UtcDateTime, fixed

__all__ = ["api_tokens", "audit_events", "console_sessions", "console_users", "decision_approvals", "fixed"]

console_users = sa.Table(
    "console_users",
    fixed,
    sa.Column("name", sa.String(128), primary_key=True),  # of names.key_of: lower case
    sa.Column("password_hash", sa.Text),  # of argon2; NULL: the user cannot sign in with a password
    sa.Column("role", sa.String(16), nullable=False),  # viewer, operator, approver
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("disabled_at", UtcDateTime),  # NULL: enabled
)

api_tokens = sa.Table(
    "api_tokens",
    fixed,
    sa.Column("token_id", sa.Integer, primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False, unique=True),  # SHA-256 of the token, which is not stored
    sa.Column("owner", sa.String(128), sa.ForeignKey("console_users.name"), nullable=False, index=True),
    sa.Column("role", sa.String(16), nullable=False),  # the most that the token allows; its owner's role limits it too
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("revoked_at", UtcDateTime),
)

console_sessions = sa.Table(
    "console_sessions",
    fixed,
    sa.Column("digest", sa.String(64), primary_key=True),  # SHA-256 of the cookie's value, which is not stored
    sa.Column("name", sa.String(128), nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("method", sa.String(16), nullable=False),  # password, oidc
    sa.Column("form_token", sa.String(64), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("last_used_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False, index=True),
)

# Changes, refused requests and sign-ins; append-only.
audit_events = sa.Table(
    "audit_events",
    fixed,
    sa.Column("event_id", sa.Integer, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False, index=True),
    sa.Column("actor", sa.String(128), nullable=False),  # empty if unknown
    sa.Column("method", sa.String(16), nullable=False),  # how the actor was identified
    sa.Column("address", sa.String(64), nullable=False),  # of the client; empty for the command line
    sa.Column("action", sa.String(32), nullable=False),
    sa.Column("target", sa.String(256), nullable=False),
    sa.Column("outcome", sa.String(16), nullable=False),  # done, refused, failed
    sa.Column("detail", sa.Text, nullable=False),
)

# Who approved a promotion; one row per person and decision.
decision_approvals = sa.Table(
    "decision_approvals",
    fixed,
    sa.Column("decision_id", sa.String(12), sa.ForeignKey("promotion_decisions.decision_id"), primary_key=True),
    sa.Column("approver", sa.String(128), primary_key=True),  # of names.key_of, so that a person counts once
    sa.Column("approved_by", sa.String(128), nullable=False),  # the name as given
    sa.Column("approved_at", UtcDateTime, nullable=False),
)
