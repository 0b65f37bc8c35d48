"""Count archived predictions in a profile's bins on a Spark cluster.

    spark-submit --master spark://host:7077 deploy/spark/count_archive.py --model-version 3
    's3a://archive/2026-11-*.parquet'

Only the driver needs PMMDS; `--help` lists the options.
"""

from pmmds_core.workflows.spark_archive import main

if __name__ == "__main__":
    raise SystemExit(main())
