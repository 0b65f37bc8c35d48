"""Measure shipping to PostgreSQL, archiving, the sustained rate of the whole system, and the containers.

python -m benchmarks.production [--part copy] [--part archive] [--part sustained] [--part containers]

Without --part, all four run. The parts `copy` and `archive` are in production_rows, `sustained` (which needs hey and
wrk) is in production_sustained, and `containers` (which needs Docker) is in production_containers. Tests check that
Celery and Spark results are byte-identical (test_celery_runs, test_spark_archive), and archive_engines measures Spark's
speed. Exit code 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks.production_containers import contained
from benchmarks.production_rows import archived, copied
from benchmarks.production_sustained import sustained

PARTS = ("copy", "archive", "sustained", "containers")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS, action="append")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args()
    missed = 0
    for part in chosen.part or PARTS:
        print(f"== {part}", flush=True)
        if part == "copy":
            missed += copied(chosen.rows, chosen.repeats)
        elif part == "archive":
            archived(chosen.rows)
        elif part == "sustained":
            missed += sustained()
        else:
            missed += contained()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
