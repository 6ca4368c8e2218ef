"""Sizes of a cell's values: inferred from its equations and the arrays that are given."""
