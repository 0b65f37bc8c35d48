"""Charts and HTML pages, with their text and templates. Not here: computing the contents (drift/, evaluation/)."""
