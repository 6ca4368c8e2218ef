"""Computation in processes of its own, which can be killed: a thread cannot."""

from __future__ import annotations

from .pool import Asked, Workers, asked
from .telling import Progress, tell
from .turns import Client

__all__ = ["Asked", "Client", "Progress", "Workers", "asked", "tell"]
