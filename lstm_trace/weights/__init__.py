"""Weights in model files and arrays, as each framework stores them, to weights by our names."""
