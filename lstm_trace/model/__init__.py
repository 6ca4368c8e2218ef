"""A prepared model, built from a problem, model file, arrays or live module; and its runs."""
