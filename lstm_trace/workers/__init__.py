"""Computation in separate processes, which can be killed: a thread cannot."""

from __future__ import annotations

from .pool import Asked, Client, Workers, asked
from .process import Progress, tell

__all__ = ["Asked", "Client", "Progress", "Workers", "asked", "tell"]
