"""Runs in which something is replaced: the input of a step by a baseline, or a value by one at which it is held."""
