"""Charts, HTML pages, their text and templates/.

Does not live here: what they show, which is computed in drift/ and evaluation/.
"""
