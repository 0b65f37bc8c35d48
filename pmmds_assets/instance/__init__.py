"""The Dagster home, the daemon and its leader election. Asset definitions are in the parent package."""
