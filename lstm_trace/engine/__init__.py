"""A run: what is asked and given, what is computed and stored, by which plan, into memory or a file."""
