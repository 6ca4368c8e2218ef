"""Computation in processes of its own, which can be killed: a thread cannot."""

from __future__ import annotations

from .pool import Workers
from .telling import Progress, tell

__all__ = ["Progress", "Workers", "tell"]
