"""From weights in model files and arrays, as each framework stores them, to weights under canonical names."""
