"""What a cell remembers, where a value comes from, how the gates behave."""
