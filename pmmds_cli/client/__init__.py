"""The client of the running service and the runner of Dagster jobs. Starting processes is in processes/."""
