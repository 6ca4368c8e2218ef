"""The command `lstm-trace`, and `python -m lstm_trace`."""

import sys


def main() -> None:
    """Import the command line and run it; Ctrl-C before it is ready for one ends with the same exit code, 130."""
    try:
        from .cli import main as command

        command(prog_name="lstm-trace")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
