"""The prediction log, labels, the archive, shadow rows, request ids. Counts per bin are in monitoring/."""
