"""A prepared model: from a problem, a model file, arrays or a live module; and its runs."""
