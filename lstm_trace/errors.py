"""Exceptions: each message says what is wrong, where, what was expected, what was found, what to do next."""

from __future__ import annotations

from collections.abc import Iterable


class LstmTraceError(Exception):
    """Base of every error that a user's input can cause; `problems` holds one message for each fault found."""

    def __init__(self, *problems: str) -> None:
        self.problems: tuple[str, ...] = problems
        super().__init__("\n".join(problems))


class CellError(LstmTraceError):
    """A cell's equations are wrong: unknown function, second assignment, use before assignment, open carry."""


class ShapeError(LstmTraceError):
    """An array does not fit the line that reads it."""


class MissingError(LstmTraceError):
    """A line needs a weight, input or state that was not given, or a name is asked for that does not exist."""


class OptionError(LstmTraceError):
    """An option that the chosen cell does not have, or a value that the option cannot take."""


class FileError(LstmTraceError):
    """A file that cannot be read: foreign, truncated, not UTF-8, of a newer version, or unsafe."""


class TooLargeError(LstmTraceError):
    """A run that would need more memory than there is."""


def raise_all(kind: type[LstmTraceError], problems: Iterable[str]) -> None:
    """Raise `kind` with every message of `problems`, once each; do nothing when there are none."""
    found = tuple(dict.fromkeys(problems))
    if found:
        raise kind(*found)


def nearest(name: str, known: Iterable[str]) -> str:
    """Give '; did you mean …?' for the closest of `known`, or an empty string when nothing is close."""
    import difflib  # only on the way to an error

    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""
