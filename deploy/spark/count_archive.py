"""Count archived predictions on a Spark cluster, using the bins of a reference profile.

    spark-submit --master spark://host:7077 deploy/spark/count_archive.py --model-version 3
    's3a://archive/2026-11-*.parquet'

PMMDS must be installed only on the driver. `--help` lists the options.
"""

from pmmds_core.workflows.spark_archive import main

if __name__ == "__main__":
    raise SystemExit(main())
