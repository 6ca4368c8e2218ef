"""One number of a trace: what it means, what it was computed from, what reads it, and whether it is right."""
