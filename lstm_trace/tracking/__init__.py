"""What the units of a corpus track: measures of every unit, contexts of its values, probes, ablations."""

from __future__ import annotations

from .contexts import Context, Contexts, match, select, top
from .units import Units, units

__all__ = ["Context", "Contexts", "Units", "match", "select", "top", "units"]
