"""Traces in files: JSON for small traces, .safetensors for large ones, and values printed by another program."""
