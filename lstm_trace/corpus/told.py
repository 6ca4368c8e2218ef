"""Results that are shown as an explanation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..tables.explanation import Explanation

if TYPE_CHECKING:
    import pandas as pd

#: Rows of the main table that are shown.
FIRST = 12


class Told:
    """A result with sentences and tables."""

    def explanation(self, most: int | None = None) -> Explanation:
        """Sentences and tables; most: rows of the main table, all if None."""
        raise NotImplementedError

    def to_frame(self) -> pd.DataFrame:
        """The main table, with all its rows."""
        return self.explanation().to_frame()

    def __str__(self) -> str:
        """What the command prints."""
        return self.explanation(FIRST).markdown(4)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return self.explanation(FIRST)._repr_html_()
