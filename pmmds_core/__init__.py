"""The shared language of PMMDS: contract, statistics, scorer, policy and stores. No dagster, no bentoml."""
