"""The command `lstm-trace`, and `python -m lstm_trace`."""

import sys


def main() -> None:
    """Import the command line and run it; Ctrl-C while it is still loading ends with the same exit code, 130."""
    try:
        from .cli import main as command

        command(prog_name="lstm-trace")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
