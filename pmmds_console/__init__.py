"""The console's web server: pages, actions and the monitoring API. A package imports only those above it in this list.

problems.py  error responses (RFC 9457)
addresses.py trusted networks, and limits on what one client address uses
connection_limits.py  limits of a connection
threads.py   calls of the stores outside the event loop
service_health.py  health of the prediction service
actor.py     who sends a request
forms.py     reading a form
sign_in/     credentials, sessions, and the pages of signing in
access.py    which requests are allowed
refusals.py  audit events of refused requests
actions/     what a person or a program may change
api/         the monitoring API: parameters, cursors, resources, routes, OpenAPI
pages/       the HTML pages
static_files.py  style sheet and icon
application.py  the application
__main__.py  start the server
"""
