"""The console's web server: the read-only monitoring API. A package may import only those above it in this list.

problems.py  error responses (RFC 9457)
actor.py     who sends a request
access.py    which requests are allowed
api/         the monitoring API: parameters, cursors, resources, routes, OpenAPI
application.py  the application
__main__.py  start the server
"""
