"""The console's HTML pages. Add a page as a module with PAGES and a template, and list it in navigation.py.

page.py       what a page is
navigation.py all pages
rendering.py  the base template around each
endpoint.py   HTTP
time_columns.py  columns of tables over time
links.py      links to Dagster and MLflow
The pages: overview.py, versions.py, drift.py, features.py, reports.py, what_if.py, alerts.py, decisions.py,
predictions.py and quality.py.

Not here: changes (actions/), JSON (api/), charts (pmmds_core/reports/).
"""
