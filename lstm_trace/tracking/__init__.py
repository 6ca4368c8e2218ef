"""What the units of a corpus track: every unit measured, contexts of its values, probes, ablations (docs/corpus.md)."""

from __future__ import annotations

from .contexts import Context, Contexts, match, select, top
from .units import Units, units

__all__ = ["Context", "Contexts", "Units", "match", "select", "top", "units"]
