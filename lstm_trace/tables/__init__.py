"""A trace in the terminal: what `show` prints."""
