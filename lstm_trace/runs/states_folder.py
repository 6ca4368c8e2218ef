"""Folders of states by name; each is opened once per worker, and errors do not reveal paths of this machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import FileError, LstmTraceError, MissingError, reason

if TYPE_CHECKING:  # pyarrow is imported when states are opened: a service without states does not need it
    from ..corpus.states import States


def named(folders: Sequence[str]) -> dict[str, str]:
    """Folders by the last part of their path; if two have the same, a number is appended to the later one.

    >>> list(named(["a/states", "b/states", "c/states-2", "a/states"]))
    ['states', 'states-3', 'states-2']
    """
    paths = list(dict.fromkeys(str(Path(folder).resolve()) for folder in folders))
    plain = [Path(path).name or "states" for path in paths]
    found: dict[str, str] = {}
    for path, name in zip(paths, plain, strict=True):
        number, chosen = 1, name
        while chosen in found or (number > 1 and chosen in plain):
            number += 1
            chosen = f"{name}-{number}"
        found[chosen] = path
    return found


def check(folders: Sequence[str]) -> None:
    """Raise FileError for a folder without states, OptionError if pyarrow is missing."""
    if folders:
        from ..corpus import open as open_states

        for folder in folders:
            open_states(folder)


def nowhere(name: str, known: Sequence[str]) -> MissingError:
    """The error for states that are not served."""
    served = f"this server has {', '.join(known)}" if known else "it was started without lstm-trace serve --states DIR"
    return MissingError(f"there are no states {name!r}; {served}")


@contextmanager
def opened(folder: str) -> Iterator[States]:
    """The states in a folder. Raises FileError for a part that cannot be read, and exceptions raised within."""
    from ..corpus import open as open_states
    from ..corpus.manifest import MANIFEST
    from ..corpus.rows import pa

    try:
        stamp = (Path(folder) / MANIFEST).stat().st_mtime_ns if (Path(folder) / MANIFEST).exists() else 0
        yield _opened(folder, stamp) if stamp else open_states(folder)
    except LstmTraceError as error:
        error.problems = tuple(one.replace(folder, Path(folder).name) for one in error.problems)
        raise
    except (OSError, pa.ArrowException) as error:
        said = reason(error, paths=False) if isinstance(error, OSError) else "a part is damaged"
        raise FileError(f"{Path(folder).name}: {said}; lstm-trace corpus run makes its parts again") from None


@lru_cache(16)
def _opened(folder: str, stamp: int) -> States:
    """stamp: of the manifest, which another run replaces."""
    from ..corpus import open as open_states

    return open_states(folder)
