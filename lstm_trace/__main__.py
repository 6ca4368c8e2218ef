"""`python -m lstm_trace`."""

from .cli import main

main(prog_name="lstm-trace")
