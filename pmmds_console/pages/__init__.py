"""The console's HTML pages. Add a page as a module with PAGES and a template, and list it in table.py.

page.py       what a page is
table.py      all pages
rendering.py  the base template around each
endpoint.py   HTTP
overview.py, alerts.py, decisions.py, reports.py  the pages

Not here: changes (actions/), JSON (api/), charts (pmmds_core/reports/).
"""
