"""Moves the spool into the prediction log: delivery, dead letters, files of dead workers. The files are in spool/."""
