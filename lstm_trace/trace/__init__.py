"""The record of a run: its values, their addresses, parts of it, and its rows."""
