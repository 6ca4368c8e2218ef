"""The checker: one file that proves or refutes the values of a trace, and imports nothing of this package."""
