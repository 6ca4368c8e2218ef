"""What a cell remembers, what a value came from, how the gates behave."""
