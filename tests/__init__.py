"""The tests mirror the rooms of the package; what they share is in `support`."""

from pathlib import Path

#: The top of the repository.
ROOT = Path(__file__).parent.parent
