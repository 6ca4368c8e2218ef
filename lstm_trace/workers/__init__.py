"""Computation in processes of its own, which can be killed: a thread cannot."""

from __future__ import annotations

from .messages import Progress, tell
from .pool import Asked, Client, Workers, asked

__all__ = ["Asked", "Client", "Progress", "Workers", "asked", "tell"]
