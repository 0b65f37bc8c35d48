"""JSON logs, process ids, file locks, private folders, atomic writes, time windows, web guard and HTML templates.

Not here: anything about models, data or drift (the other packages).
"""
