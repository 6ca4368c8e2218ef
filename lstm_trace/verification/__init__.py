"""Whether a trace satisfies its equations, and where two traces differ."""
