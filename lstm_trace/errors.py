"""Exceptions: each message says what is wrong, where, what was expected, what was found, what to do next."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from errno import ENOENT
from os import PathLike, strerror
from typing import Any

from .printable import message

#: Number of problems reported in one error; the rest are only counted.
TOLD = 50


class LstmTraceError(Exception):
    """Base class of every error that a user's input can cause; `problems` holds one message per fault.

    Messages quote names and keys from files, so each is made printable, and shortened if it is too long to read. Most
    kinds are also the exception of Python that the same fault has elsewhere, such as KeyError for a name that does not
    exist. Within the package a handler of such an exception must not take an error of ours for one of a library; a test
    lists them all.
    """

    def __init__(self, *problems: str) -> None:
        self.problems: tuple[str, ...] = tuple(map(message, problems))
        super().__init__("\n".join(self.problems))

    def __str__(self) -> str:
        return "\n".join(self.problems)  # a KeyError would quote it

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.problems, vars(self)  # another process gets the same problems, and what else was set


class CellError(LstmTraceError, ValueError):
    """A cell's equations are wrong: unknown function, second assignment, use before assignment, open carry."""


class ShapeError(LstmTraceError, ValueError):
    """An array does not fit the line that uses it."""


class MissingError(LstmTraceError, KeyError):
    """A line needs a weight, input or state that was not given, or a requested name does not exist."""


class ChoiceError(MissingError):
    """The name of an LSTM, GRU or RNN is missing, unknown or ambiguous in a model with several."""


class OptionError(LstmTraceError, ValueError):
    """The chosen cell does not have the option, or the option does not accept the value."""


class LiftError(LstmTraceError):
    """Code that cannot be written as the equations of a cell; the message names its line."""


class FileError(LstmTraceError, ValueError):
    """A file that cannot be read: foreign, truncated, not UTF-8, of a newer version, or unsafe."""


class NotFoundError(FileError, FileNotFoundError):
    """A file or folder that does not exist: `filename`, if it is known; `errno` is ENOENT."""

    errno, strerror = ENOENT, strerror(ENOENT)
    filename: str | None = None

    def __init__(self, *problems: str, filename: str | PathLike[str] | None = None) -> None:
        super().__init__(*problems)
        if filename is not None:
            self.filename = str(filename)


class TooLargeError(LstmTraceError):
    """A run needs more memory than is available."""


def raise_all(kind: type[LstmTraceError], problems: Iterable[str], cause: Exception | None = None) -> None:
    """Raise `kind` with every distinct message in `problems`; do nothing if there are none.

    A check that collects its own messages raises them this way; `Faults` gathers the errors of several checks.
    """
    found = tuple(dict.fromkeys(problems))
    if found:
        raise kind(*found) from cause


def shortened(problems: Sequence[Any]) -> tuple[Any, ...]:
    """The first 50 problems and a count of the rest; a list that was shortened before stays unchanged.

    >>> shortened([str(n) for n in range(1000)])[-2:]
    ('49', 'and 950 more')
    """
    if len(problems) <= TOLD + 1:
        return tuple(problems)
    return (*problems[:TOLD], f"and {len(problems) - TOLD:,} more")


def some(names: Sequence[Any], most: int) -> str:
    """The first names, and how many more there are.

    >>> some(["W_xi", "W_hi", "b_i"], 2), some([], 2)
    ('W_xi, W_hi and 1 more', '')
    """
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(map(str, names[:most])) + more


def counted(n: int, noun: str) -> str:
    """A number with its noun, in words.

    >>> counted(1, "step"), counted(2000, "step")
    ('1 step', '2,000 steps')
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def nearest(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """The end of a message about an unknown name: '; did you mean …?' for the closest of `known`.

    otherwise: text before the list of all `known` names if none is close ('there are'); no list if empty. Lines without
    a name of their own, such as `W_xi @ x_t` and `tanh(c_t)`, are not listed.

    >>> nearest("it", ["i_t", "f_t"]), nearest("loss", ["i_t", "f_t"], "there are")
    ("; did you mean 'i_t'?", '; there are i_t, f_t')
    >>> nearest("h", ["z_h", "h_t"])
    "; did you mean 'h_t'?"
    >>> nearest("none", ["q22", "three-steps", "f_t * c_prev"], "there are")
    '; there are q22, three-steps'
    """
    names = list(dict.fromkeys(known))
    same = {str(name).lower(), f"{name}_t".lower()}
    close = next((one for one in names if one.lower() in same), None) or closest(str(name), names)
    if close is not None:
        return f"; did you mean {close!r}?"
    told = [name for name in names if not set(name) & set(" ()")] or names
    return f"; {otherwise} {', '.join(told)}" if otherwise and told else ""


def require_known(
    what: str, name: str, known: Collection[str], otherwise: str = "there are",
    kind: type[LstmTraceError] = OptionError,
) -> None:  # fmt: skip
    """Raise an error of a kind if a name is not among those that are known.

    what: the noun of such names. otherwise: see `nearest`.

    >>> require_known("notation", "d2k", ["exercise", "d2l"])
    Traceback (most recent call last):
    ...
    lstm_trace.errors.OptionError: there is no notation 'd2k'; did you mean 'd2l'?
    """
    if name not in known:
        raise kind(f"there is no {what} {name!r}{nearest(name, known, otherwise)}")


def closest(name: str, known: Iterable[str], least: float = 0.6) -> str | None:
    """The one of `known` that is most like `name`; of several the one that starts most like it; None if none is close.

    least: from which likeness on, between 0 and 1, a name is close.

    >>> closest("W_hx", ["W_xi", "W_hi", "W_xo", "W_ho"]), closest("loss", ["i_t"])
    ('W_hi', None)
    """
    from difflib import SequenceMatcher  # only on the way to an error

    def likeness(other: str) -> tuple[float, int]:
        same = [a == b for a, b in zip(other, name, strict=False)]
        return SequenceMatcher(None, other, name).ratio(), [*same, False].index(False)

    found = {other: likeness(other) for other in known}
    best = max(found, key=found.__getitem__, default=None)
    return best if best is not None and found[best][0] >= least else None


def reason(error: OSError, *, paths: bool = True) -> str:
    """Why a file cannot be read or written, in lower case.

    Args:
        error: what was raised.
        paths: whether the text may name files. What a client of the service reads must not: paths are the server's own,
            and an error without a number may have any text.

    Returns:
        The text.

    >>> reason(FileNotFoundError(2, "No such file or directory", "/home/me/t.json")), reason(OSError("Not a gzip file"))
    ('no such file or directory', 'not a gzip file')
    >>> reason(OSError("/srv/lib/t.json is odd"), paths=False)
    'oserror'
    """
    return (error.strerror or (str(error) if paths else type(error).__name__)).lower()


def file_error(where: str, error: OSError) -> FileError:
    """The error for a file that cannot be read or written."""
    said = f"{where}: {reason(error)}"
    return NotFoundError(said, filename=where) if isinstance(error, FileNotFoundError) else FileError(said)


class Faults:
    """Gathers the errors that are raised within, so that a check can go on after a fault and report all together.

    >>> faults = Faults()
    >>> for shape in ((2,), (2, 2), (3,)):
    ...     with faults.gather():
    ...         if len(shape) != 2:
    ...             raise ShapeError(f"{shape} is not a matrix")
    >>> faults.tell()
    Traceback (most recent call last):
    ...
    lstm_trace.errors.ShapeError: (2,) is not a matrix
    (3,) is not a matrix
    """

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.kind: type[LstmTraceError] = LstmTraceError

    @contextmanager
    def gather(self) -> Iterator[None]:
        """Keep the messages of an error that is raised within."""
        try:
            yield
        except LstmTraceError as error:
            self.kind = type(error) if not self.problems else self.kind
            self.problems += error.problems

    def tell(self, cause: Exception | None = None) -> None:
        """Raise one error of the first one's kind with every message, once each; do nothing when there are none."""
        raise_all(self.kind, self.problems, cause)


@contextmanager
def reading(where: str, kind: type[LstmTraceError] = FileError) -> Iterator[None]:
    """Raise `kind` for what is raised within by a file that cannot be read, or a value that cannot be taken.

    >>> with reading("mask", ShapeError):
    ...     float("x")
    Traceback (most recent call last):
    ...
    lstm_trace.errors.ShapeError: mask: could not convert string to float: 'x'
    """
    try:
        yield
    except LstmTraceError:
        raise
    except OSError as error:
        raise (file_error(where, error) if kind is FileError else kind(f"{where}: {reason(error)}")) from None
    except ValueError as error:
        raise kind(f"{where}: {error}") from None


def reworded(error: LstmTraceError, problems: Iterable[str]) -> LstmTraceError:
    """The same error with other messages."""
    made = copy(error)
    LstmTraceError.__init__(made, *problems)
    return made


@contextmanager
def within(where: str) -> Iterator[None]:
    """Put `where` (a file's name, or nothing) before the messages of an error raised within, if it is not there yet."""
    try:
        yield
    except LstmTraceError as error:
        if not where:
            raise
        begun = f"{where}: "
        raise reworded(error, (said if said.startswith(begun) else begun + said for said in error.problems)) from None


@contextmanager
def calling(names: Mapping[str, str]) -> Iterator[None]:
    """Add to the messages of an error raised within what the author calls the names in them: `names`, by ours."""
    try:
        yield
    except LstmTraceError as error:
        own = ([name for name in dict.fromkeys(re.findall(r"\w+", said)) if name in names] for said in error.problems)
        told = (f" ({', '.join(f'{name} is your {names[name]}' for name in each)})" if each else "" for each in own)
        raise reworded(error, map(str.__add__, error.problems, told)) from None
