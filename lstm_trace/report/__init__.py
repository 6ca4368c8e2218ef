"""The worked solution of a trace, in every format and language."""
