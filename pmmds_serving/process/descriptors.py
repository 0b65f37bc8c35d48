"""File descriptors of one worker: as many as the system gives, and how many of them connections may take.

Keep out: what counts connections (http/connection_limits.py, rpc/server.py), and the spool's own care
(spool/spool.py).
"""

from __future__ import annotations

import resource
from dataclasses import dataclass

from pmmds_core.runtime.json_logs import get_logger

WANTED = 16_384
MAX_GRPC_CONNECTIONS = 256
# A client's socket, and both ends of its connection to gRPC's server (rpc/front.py).
GRPC_DESCRIPTORS = 3
# For the spool, the model's files, companions, libraries, and connections that are there only to be refused.
RESERVED = 192

log = get_logger("pmmds.serving.descriptors")


@dataclass(frozen=True)
class DescriptorShares:
    """Connections that each transport may have."""

    http_connections: int
    grpc_connections: int


def raise_limit() -> int:
    """Raise this process's soft limit as far as its hard limit and `WANTED` allow; what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return most
    return WANTED if soft == resource.RLIM_INFINITY else soft


def share_descriptors(http_connections: int, limit: int | None = None) -> DescriptorShares:
    """How many connections of each transport fit; fewer than wanted where descriptors are few, and then it is logged.

    Args:
        http_connections: wanted, PMMDS_HTTP_MAX_CONNECTIONS.
        limit: descriptors of the process; raised and asked when it is None.
    """
    limit = raise_limit() if limit is None else limit
    wanted = DescriptorShares(http_connections, MAX_GRPC_CONNECTIONS)
    needed = http_connections + GRPC_DESCRIPTORS * MAX_GRPC_CONNECTIONS
    there = max(1 + GRPC_DESCRIPTORS, limit - RESERVED)
    if needed <= there:
        return wanted
    share = there / needed
    shares = DescriptorShares(max(1, int(http_connections * share)), max(1, int(MAX_GRPC_CONNECTIONS * share)))
    log.warning("few_descriptors", limit=limit, http=shares.http_connections, grpc=shares.grpc_connections)
    return shares
