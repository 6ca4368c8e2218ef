"""What goes wrong with a kept run, beside what goes wrong with any run."""

from __future__ import annotations

from ..errors import LstmTraceError


class UnknownRunError(LstmTraceError):
    """There was never a run of that id, or it is forgotten."""


class DroppedRunError(LstmTraceError):
    """There is a run of that id, but its trace was dropped or damaged; it may be made again (`Runs.ready`)."""


class RunFolderError(LstmTraceError):
    """The folder of the runs cannot be written or read: the disk is full, say. Nobody asked for anything wrong."""


class NotJsonError(LstmTraceError):
    """A request that is no JSON, not UTF-8, or has a key twice."""


class NoArrowError(LstmTraceError):
    """Values are wanted as Arrow, and pyarrow is not there."""
