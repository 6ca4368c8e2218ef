"""A trace as a table in a file."""
