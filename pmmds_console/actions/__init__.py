"""What a person or a program may change: one table for the console's forms and the API. Import only from above.

notices.py  the sentence that a page shows after a change
table.py    the actions
perform.py  an action with its checks and its audit event
forms.py    the routes of the pages' forms

Not here: the same actions in the API (api/changes.py), how a change is made (pmmds_core/workflows).
"""
