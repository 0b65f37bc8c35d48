"""File descriptors of one worker: raises the limit and divides it between HTTP and gRPC connections.

Not here: counting connections (http/connection_limits.py, rpc/server.py), running out of descriptors in the
spool (spool/spool.py).
"""

from __future__ import annotations

import resource
from dataclasses import dataclass

from pmmds_core.runtime.json_logs import get_logger

PREFERRED_LIMIT = 16_384
MAX_GRPC_CONNECTIONS = 256
# Descriptors per gRPC client: its socket and both ends of its connection to gRPC's server (rpc/relay.py).
GRPC_DESCRIPTORS = 3
# Reserved for the spool, model files, sidecars, libraries, and connections over the limit until they are closed.
RESERVED = 192

log = get_logger("pmmds.serving.descriptors")


@dataclass(frozen=True)
class DescriptorShares:
    """The maximum number of connections for each transport."""

    http_connections: int
    grpc_connections: int


def raise_limit() -> int:
    """Raise the soft limit to PREFERRED_LIMIT, or to the hard limit if that is lower; return the new soft limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = PREFERRED_LIMIT if hard == resource.RLIM_INFINITY else min(PREFERRED_LIMIT, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return most
    return PREFERRED_LIMIT if soft == resource.RLIM_INFINITY else soft


def share_descriptors(http_connections: int, limit: int | None = None) -> DescriptorShares:
    """Connections per transport that fit into the limit; logs a warning if they are fewer than configured.

    Args:
        http_connections: PMMDS_HTTP_MAX_CONNECTIONS.
        limit: descriptors of the process; None raises the limit and uses it.
    """
    limit = raise_limit() if limit is None else limit
    wanted = DescriptorShares(http_connections, MAX_GRPC_CONNECTIONS)
    needed = http_connections + GRPC_DESCRIPTORS * MAX_GRPC_CONNECTIONS
    available = max(1 + GRPC_DESCRIPTORS, limit - RESERVED)
    if needed <= available:
        return wanted
    share = available / needed
    shares = DescriptorShares(max(1, int(http_connections * share)), max(1, int(MAX_GRPC_CONNECTIONS * share)))
    log.warning("few_descriptors", limit=limit, http=shares.http_connections, grpc=shares.grpc_connections)
    return shares
