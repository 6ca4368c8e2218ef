"""What is seen of the calls of live modules within a block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ..errors import Faults, LstmTraceError
from .found import Found


@dataclass
class Call:
    """One call of a module: what it got, what it returned under the names of `results`, and the ulp of its numbers."""

    name: str
    found: Found
    arguments: dict[str, Any]
    returned: dict[str, Any]
    what: str
    ulp: float
    options: dict[str, Any] = field(default_factory=dict)


class Watch:
    """Takes the calls. What goes wrong on our side is noted for the end of the block: the model's own pass goes on."""

    def __init__(self, take: Callable[[Call], None]) -> None:
        self.take = take
        self.faults = Faults()
        self.cause: Exception | None = None

    @contextmanager
    def noting(self, name: str) -> Iterator[None]:
        """Note an error that is raised within, instead of raising it. name: of the module that is watched."""
        try:
            yield
        except Exception as error:
            self.cause = error
            if not isinstance(error, LstmTraceError):
                own = f"cannot be traced, by a fault of lstm-trace: {type(error).__name__}: {error}"
                error = LstmTraceError(own)
            told = [text if text.startswith(name) else f"{name}: {text}" for text in error.problems]
            with self.faults.gather():  # once each, however many calls
                raise type(error)(*(text for text in told if text not in self.faults.problems)) from None

    def tell(self) -> None:
        """Raise what was noted, or do nothing."""
        if self.faults.problems:
            raise self.faults.error() from self.cause
