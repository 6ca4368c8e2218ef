"""What the units of a corpus do: measures of each over all steps, and the texts around the steps that matter."""

from __future__ import annotations

from .contexts import Context, Contexts
from .search import match, select, top
from .table import Units, units

__all__ = ["Context", "Contexts", "Units", "match", "select", "top", "units"]
