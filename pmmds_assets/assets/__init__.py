"""The asset definitions, with one module per stage of the monitoring and retraining loop."""
