"""Somebody's step function as a cell: it is run once with recording arrays, and its arithmetic becomes equations."""
