"""Outputs that are kept; `make golden` writes them again."""
