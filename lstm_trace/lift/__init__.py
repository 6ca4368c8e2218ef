"""Cells from code: a step function, run once with recording arrays, becomes a list of equations."""
