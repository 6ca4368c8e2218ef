"""One reader for each kind of model file, imported only when such a file comes."""
