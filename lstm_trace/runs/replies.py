"""JSON as the service replies with it."""

from __future__ import annotations

from typing import Any

from ..printable import json_text


def as_json(data: Any) -> bytes:
    """A reply as JSON, fit to be printed. What is not finite has become a word before, or this raises ValueError."""
    return json_text(data, allow_nan=False).encode()
