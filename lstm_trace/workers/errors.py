"""Why a worker gave no answer."""

from __future__ import annotations

from ..errors import LstmTraceError


class BusyError(LstmTraceError):
    """All workers compute, and those who wait are too many, or this one waited too long and was no job."""


class TooLongError(LstmTraceError):
    """A computation took more time than it may, and was stopped."""


class DiedError(LstmTraceError):
    """The process of a computation ended without an answer; most often the system killed it for its memory."""
