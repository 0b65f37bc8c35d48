"""The decorator of PMMDS's sensors: enabled by default, because without them nothing runs.

Not here: the sensors (sensors.py, rollback.py).
"""

from functools import partial

import dagster as dg

loop_sensor = partial(dg.sensor, default_status=dg.DefaultSensorStatus.RUNNING)
