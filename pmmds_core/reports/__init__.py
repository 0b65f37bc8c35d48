"""Charts, HTML pages, their text and templates/. Not here: computing the contents (drift/, evaluation/)."""
