"""A run: what is requested and given, what is computed and stored, by which plan, into memory or a file."""
