"""`python -m lstm_trace`."""

import sys

try:
    from .cli import main
except KeyboardInterrupt:  # from here on the command line answers it
    sys.exit(130)

main(prog_name="lstm-trace")
