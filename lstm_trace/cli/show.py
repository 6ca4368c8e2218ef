"""`lstm-trace show`: a compact table for the terminal."""
