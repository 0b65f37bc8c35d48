"""How a sensor of the loop begins: on by default, for the loop stands still without it.

Keep out: what a sensor asks (sensors.py, rollback.py).
"""

from functools import partial

import dagster as dg

loop_sensor = partial(dg.sensor, default_status=dg.DefaultSensorStatus.RUNNING)
