"""Where units are highest, lowest, or above a level together, as the text around it, coloured by their values."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, overload

import numpy as np

from ..base.arrays import Array
from ..base.display import escape, visible
from ..corpus.rows import TOKEN
from ..errors import counted
from ..plot import coloured_text
from ..plot.coloured_text import Scale, Tokens, are_words, gate, strength, symmetric, tokens
from ..plot.figure import whole
from ..plot.furniture import shown_number
from ..printable import printable

if TYPE_CHECKING:
    import pandas as pd

    from ..corpus.states import States

#: Tokens by which it is decided whether they are words.
SAMPLE = 2000
#: Columns of the name of a sequence at most.
NAME = 40


class Context(NamedTuple):
    """The text around a stretch of a sequence.

    t: the step at which it begins, `length` steps long; value: at t, or over the stretch. first: the step of the first
    of `tokens`, which are the numbers of the steps where the corpus has no tokens, and end early in a stretch of
    thousands; values: (tokens,), of the unit. others: units beside those asked for that are on throughout. spaced:
    whether spaces are set between the tokens.
    """

    sequence: int | str
    t: int
    value: float
    first: int
    tokens: tuple[str, ...]
    values: Array
    length: int = 1
    others: int | None = None
    spaced: bool = False

    @property
    def found(self) -> Tokens:
        """The text."""
        return tokens(self.tokens, (), self.spaced)

    @property
    def stretch(self) -> range:
        """The places of the stretch among the tokens."""
        at = self.t - self.first
        return range(at, min(at + self.length, len(self.tokens)))

    @property
    def place(self) -> str:
        """Where it is, in words."""
        steps = f"{self.t}" if self.length == 1 else f"{self.t} to {self.t + self.length - 1}"
        others = "" if self.others is None else f", {counted(self.others, 'other unit')}"
        return f"sequence {visible(str(self.sequence), NAME)}, t = {steps}: {shown_number(self.value)}{others}"

    @property
    def text(self) -> str:
        """The text on one line, with the stretch in ‹ ›."""
        found, at = self.found, self.stretch
        gap = " " if found.spaced else ""
        shown = [visible(label) for label in found.labels] if found.spaced else list(found.shown)
        inner = gap.join(shown[at.start : at.stop])
        return gap.join([*shown[: at.start], f"‹{inner}›", *shown[at.stop :]])


@dataclass(frozen=True, repr=False)
class Contexts(Sequence[Context]):
    """Some contexts. title: what they show; range: of the values, as of `Block`; about: what the number of each is."""

    title: str
    found: tuple[Context, ...]
    range: str = ""
    about: str = ""

    @overload
    def __getitem__(self, at: int) -> Context: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Context, ...]: ...
    def __getitem__(self, at: int | slice) -> Context | tuple[Context, ...]:
        return self.found[at]

    def __len__(self) -> int:
        return len(self.found)

    def __repr__(self) -> str:
        return f"<Contexts: {self.title}; {len(self)} found>"

    def to_frame(self) -> pd.DataFrame:
        """A row for each: `seq_id`, `t`, `length`, `value`, `others` where they were counted, `context`."""
        import pandas as pd

        rows = [(c.sequence, c.t, c.length, c.value, c.others, c.text) for c in self.found]
        found = pd.DataFrame(rows, columns=["seq_id", "t", "length", "value", "others", "context"])
        return found.drop(columns="others") if found["others"].isna().all() else found

    @property
    def scale(self) -> Scale:
        """One for all of them."""
        return gate() if self.range == "gate" else symmetric(np.concatenate([c.values for c in self.found]))

    def terminal(self, columns: int = 80, colours: bool = True) -> str:
        """The texts for a terminal: with colours behind the tokens, or with marks below them."""
        if not self.found:
            return f"{self.title}: nothing found\n"
        scale = self.scale
        lines = [printable(self.title), *textwrap.wrap(self.about, columns), coloured_text.legend(scale, colours)]
        for one in self.found:
            lines += ["", printable(one.place)]
            lines += coloured_text.lines(*_coloured(one, scale), columns, colours, one.stretch)
        return "\n".join(lines) + "\n"

    def html(self, title: str = "") -> str:
        """The texts as a page that loads nothing; a token says its value where it is pointed at."""
        scale = self.scale if self.found else gate()
        parts = [f'<p class="over">{coloured_text.ends(scale)}</p>' if self.found else "<p>nothing found</p>"]
        if self.found and self.about:
            parts.insert(0, f"<p>{escape(self.about)}</p>")
        for one in self.found:
            said = [f"t = {one.first + k}: {shown_number(v)}" for k, v in enumerate(one.values)]
            parts.append(f'<h2 class="over"><span>{escape(one.place)}</span></h2>')
            parts.append(coloured_text.paragraph(*_coloured(one, scale), said, marked=one.stretch))
        return whole(title or self.title, "", "en", f'<div class="lstm-text">{chr(10).join(parts)}</div>')


def _coloured(one: Context, scale: Scale) -> tuple[Tokens, Array, Array]:
    return one.found, strength(scale, one.values), np.ones(len(one.values), bool)


def spaced(states: States) -> bool:
    """Whether spaces are set between the tokens of a corpus, by the first ones: a stretch alone may have short ones."""
    first = next(iter(states.parts())).places
    return TOKEN not in first.column_names or are_words(
        [text or "" for text in first.column(TOKEN)[:SAMPLE].to_pylist()]
    )
