"""Terminal output: progress, tables, errors and the demo's summary."""
