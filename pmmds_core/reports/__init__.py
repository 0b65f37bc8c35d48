"""Charts, HTML pages, their text and templates/. What they show is computed in drift/ and evaluation/."""
