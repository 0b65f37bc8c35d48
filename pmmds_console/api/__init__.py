"""The monitoring API, version 1. A module may import only those above it in this list.

parameters.py  parse and describe parameters
cursors.py     the position of a page as text
answers.py     rows and documents of the stores as resources of the API
route.py       a route and its request
lists.py       the lists
documents.py   single resources
routes.py      the route table
changes.py     the actions, and who the caller is
openapi.py     the OpenAPI document of the route table
endpoint.py    HTTP: threads, timeouts, ETags
"""
