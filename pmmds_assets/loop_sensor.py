"""The decorator for PMMDS's sensors. They are enabled by default, because nothing would run without them.

Not here: the sensors (sensors.py, rollback.py).
"""

from functools import partial

import dagster as dg

loop_sensor = partial(dg.sensor, default_status=dg.DefaultSensorStatus.RUNNING)
