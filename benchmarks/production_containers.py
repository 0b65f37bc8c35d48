"""Measure image sizes and the time from `compose up` to the first prediction. Needs Docker.

Not here: tests of the containers (`make test-compose`).
"""

from __future__ import annotations

import time

from pmmds_tests.compose.engine import BASE, IMAGES, PYTHON_IMAGE, EngineMissingError, image_bytes, project
from pmmds_tests.harness.quick_start import QuickStart

MAX_SERVING_MB = 300


def contained() -> int:
    """Print the measurements, and return 1 if the serving image is too large.

    Raises:
        SystemExit: Docker is not installed or not running.
    """
    try:
        return _measure()
    except EngineMissingError as error:
        raise SystemExit(str(error)) from None


def _measure() -> int:
    with project(BASE) as own:
        own.must("build", timeout=3000)
        base = image_bytes(PYTHON_IMAGE)
        over = {name: (image_bytes(f"pmmds-{name}:0.1.0") - base) / 1e6 for name in IMAGES}
        for name, size in over.items():
            print(f"image {name:10} {size:6,.0f} MB over the base image", flush=True)
        began = time.perf_counter()
        own.must("up", "-d", timeout=900)
        own.wait_until_healthy()
        print(f"compose up, until all are healthy         {time.perf_counter() - began:6.0f} s", flush=True)
        story = QuickStart(own.pmmds, own.url("HTTP"))
        story.train()
        story.first_prediction()
        print(f"compose up, until the first prediction    {time.perf_counter() - began:6.0f} s, including training")
    return int(over["serving"] > MAX_SERVING_MB)
