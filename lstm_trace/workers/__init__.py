"""Computation in separate processes, which can be killed: a thread cannot."""

from __future__ import annotations

from .pool import Asked, ClientId, Workers, asked
from .process import Progress, tell

__all__ = ["Asked", "ClientId", "Progress", "Workers", "asked", "tell"]
