"""One reader for each kind of model file, imported only when it is needed."""
