"""Charts, HTML pages, their text and templates/.

Not here: what they show, which is computed in drift/ and evaluation/.
"""
