"""The record of a run: its values, their addresses, parts of a trace, and its rows for tables."""
