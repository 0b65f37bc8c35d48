"""I/O with other systems: database/, files/, predictions/, monitoring/, lifecycle/, artifacts/.

What is stored is defined in the packages above.
"""
