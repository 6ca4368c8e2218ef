"""Traces in files: JSON for small traces, .safetensors for large ones, and values printed by another program."""

#: The version of the format, and what a trace is, for messages that expected a problem or a model.
FORMAT = "lstm-trace/1"
TRACED = "a trace, computed already; report, show, export, verify, explain, plot and diff read it"
