"""Runs shippers for tests: a single pass, or a thread that ships while spools release segments."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pmmds_serving.shipping.shipper import Shipper
from pmmds_serving.spool.spool import Spool
from pmmds_serving.spool.sync import SpoolSyncer


def ship(spool: Spool, shipper: Shipper) -> bool:
    """Ship all appended records. Return False if some records could not be shipped."""
    spool.seal()
    shipped = shipper.ship()
    spool.hand_over()
    return shipped


@contextmanager
def shipping(shipper: Shipper, *spools: Spool, deadline_seconds: float = 60.0) -> Iterator[None]:
    """Release and ship log segments in a thread until the block ends, then close the spools and stop the shipper."""
    syncers = [SpoolSyncer(spool, 0.02) for spool in spools]
    stop = threading.Event()
    thread = threading.Thread(target=shipper.run, args=(stop,), name="shipper")
    for syncer in syncers:
        syncer.start()
    thread.start()
    try:
        yield
    finally:
        for syncer, spool in zip(syncers, spools, strict=True):
            syncer.stop()
            spool.close()
        stop.set()
        thread.join()
        shipper.finish(deadline_seconds)
