"""What is seen of one call of a live module."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .found import Found


@dataclass
class Call:
    """One call of a module: what it got, what it returned under the names of `results`, and the ulp of its numbers."""

    name: str
    found: Found
    arguments: dict[str, Any]
    returned: dict[str, Any]
    what: str
    ulp: float
    options: dict[str, Any] = field(default_factory=dict)
