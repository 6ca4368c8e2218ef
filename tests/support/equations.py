"""Messages that show the equation in which something is wrong."""

from __future__ import annotations

import re


def without_equation(problem: str) -> str:
    """A message without the equation and the caret that it shows."""
    return re.sub(r"^equation \d+: |\n {4}.*\n +\^$", "", problem)
