"""A sample of the states, computed again line by line and compared."""
