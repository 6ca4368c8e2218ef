"""One number of a trace: what it is, what it was computed from, what reads it, and whether that is right."""
