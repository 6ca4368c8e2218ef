"""What goes wrong with what is kept."""

from __future__ import annotations

from ..errors import LstmTraceError


class StoreError(LstmTraceError):
    """The database or the folder cannot be opened, or does not answer: nobody asked for anything wrong."""


class UnknownItemError(LstmTraceError):
    """The library has no item of that id."""


class LostFileError(LstmTraceError):
    """The library has the item, and its file is not there any more."""
