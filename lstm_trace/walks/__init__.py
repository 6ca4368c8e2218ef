"""Walks over the lines: forward (verify), back (slopes), and running again with a change."""
