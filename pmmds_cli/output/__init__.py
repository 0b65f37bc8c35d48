"""Terminal output: console, tables, the demo's summary. Its values are computed elsewhere."""
