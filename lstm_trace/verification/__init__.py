"""Whether a trace is what its equations say, and where two traces differ."""
