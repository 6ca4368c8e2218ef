"""A text whose parts are coloured by a value each: where lines end, how strong a colour is, and it in a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from unicodedata import category

import numpy as np

from ..base.arrays import Array
from ..base.text.columns import cells
from ..base.text.markup import escape
from ..base.text.visible import seen, visible
from .colours import Scale
from .furniture import LABEL

#: Parts that share a letter at most.
MARKS = 8
#: Letters of words on average, from which they are set apart by spaces; and letters of one that count.
WORDS, COUNTED = 1.5, 10
#: The share of parts with spaces of their own, as those of a tokenizer have, from which none are set between them.
OWN_SPACES = 1 / 20
#: What stands for no text, and says nothing of what the others are: <s>, [CLS].
_SPECIAL_PART = re.compile(r"<[^<>]+>|\[[^\[\]]+\]")
#: Characters of a part of a text at most; a file may hold megabytes.
LONGEST = 400
#: Colours of a terminal, of 256, from weak to strong: above and below 0; black letters can be read on all of them.
_ABOVE, _BELOW = (189, 153, 111, 69), (224, 217, 209, 208)
#: How padding (grey) and what is no number (reversed) are set off.
_SPECIAL = {"x": "48;5;250;38;5;16", "#": "7"}
_BLOCKS = "░▒▓█"


@dataclass(frozen=True)
class Tokens:
    """Parts of a text. labels: as they are, very long ones cut; spaced: whether spaces are set between them."""

    labels: tuple[str, ...]
    spaced: bool

    @property
    def shown(self) -> tuple[str, ...]:
        """The parts with signs for line breaks and tabs; spaces as such where none are set between the parts."""
        seen = [visible(label, LABEL) for label in self.labels]
        return tuple(seen) if self.spaced else tuple(one.replace("␣", " ") for one in seen)

    def lines(self, widths: Sequence[float], room: float) -> Iterator[list[int]]:
        """The places of the parts in each line. widths: of the parts, with what is between them."""
        line: list[int] = []
        used = 0.0
        for k, wide in enumerate(widths):
            if line and used + wide > room:
                yield line
                line, used = [], 0.0
            line.append(k)
            used += wide
            if "\n" in self.labels[k]:
                yield line
                line, used = [], 0.0
        if line:
            yield line

    def clusters(self) -> Iterator[list[int]]:
        """The places of parts that share a letter: one that begins with a mark stands on the letter before it."""
        cluster: list[int] = []
        for k, label in enumerate(self.labels):
            letter = self.labels[k - 1][-1:] if k else ""
            joined = is_mark(label) and letter and not letter.isspace() and len(cluster) < MARKS and not self.spaced
            if cluster and not joined:
                yield cluster
                cluster = []
            cluster.append(k)
        if cluster:
            yield cluster


def is_mark(label: str) -> bool:
    """Whether a part begins with a mark on a letter, and has no width of its own."""
    return bool(label) and category(label[0])[0] == "M"


def tokens(labels: Sequence[str], steps: Sequence[int], spaced: bool | None = None) -> Tokens:
    """The text of some steps: their labels, or their numbers where they have none. spaced: as `are_words` if None."""
    if not any(labels):
        return Tokens(tuple(map(str, steps)), True)
    short = [label if len(label) <= LONGEST else f"{label[: LONGEST - 1]}…" for label in labels]
    return Tokens(tuple(short), are_words(labels) if spaced is None else spaced)


def are_words(labels: Sequence[str]) -> bool:
    """Whether parts of a text are words, which have several letters and no spaces of their own: not letters, not bytes.

    >>> are_words(["a", "cat", "sat", "."]), are_words(list("a cat")), are_words(["a", " cat", " sat", "."])
    (True, False, False)
    """
    there = [label for label in labels if label]
    numbers = any(len(label) > 1 for label in there) and all(label.isdecimal() for label in there)
    plain = [label for label in there if not _SPECIAL_PART.fullmatch(label[:LONGEST])]
    letters = sum(sum(category(c)[0] != "M" for c in label[:COUNTED]) for label in plain)
    inner = (label.strip("\r\n") for label in there)
    own = sum(label != label.strip() for label in inner)
    long = numbers or letters >= WORDS * len(plain)  # 14 and 16 are no 1416
    return bool(there) and long and own < OWN_SPACES * len(there)


def strength(scale: Scale, values: Array) -> Array:
    """-1 to 1 for values from the lower to the upper end of a scale, 0 for its middle; NaN for no number.

    Of a scale of one colour it is 0 to 1.
    """
    finite = np.isfinite(values)
    at = np.clip(np.where(finite, values, 0.0), scale.low, scale.high)
    share = at / scale.high if scale.two else (at - scale.low) / (scale.high - scale.low)
    return np.where(finite, share, np.nan)


def paragraph(
    found: Tokens, strengths: Array, valid: Array, said: Sequence[str], between: str = ", ", marked: range = range(0)
) -> str:
    """The parts as a paragraph of a page.

    said: of each part, where it is pointed at; between: in a list of two; marked: the places of parts that are set off.
    """
    gap = " " if found.spaced else ""
    parts = (_cluster(found.labels, strengths, valid, said, between, places, marked) for places in found.clusters())
    return f'<p class="tokens">{gap.join(parts)}</p>\n'


def _cluster(
    every: Sequence[str],
    strengths: Array,
    valid: Array,
    said: Sequence[str],
    between: str,
    places: list[int],
    marked: range,
) -> str:
    """A part of the text; or several that share a letter, of which each has its share of the ground below that."""
    labels = [every[k] for k in places]
    inner = "".join(f"<i>↵</i>{escape(seen(label))}" if "\n" in label else escape(seen(label)) for label in labels)
    if len(places) == 1 and not is_mark(labels[0]):
        k = places[0]
        return f'<span {ground(strengths[k], valid[k], marked=k in marked)} title="{escape(said[k])}">{inner}</span>'
    shares = []
    for n, (k, label) in enumerate(zip(places, labels, strict=True)):
        told = escape(between.join((visible(label, LABEL), said[k])))
        shares.append(f'<b {ground(strengths[k], valid[k], f"--k:{n}", k in marked)} title="{told}"></b>')
    return f'<span class="joined" style="--n:{len(places)}">{inner}{"".join(shares)}</span>'


def ends(scale: Scale) -> str:
    """The scale in a page."""
    low, high = scale.ends
    return f'<span class="ends">{low} <b class="{"two" if scale.two else "one"}"></b> {high}</span>'


def legend(scale: Scale, colours: bool) -> str:
    """The scale in a terminal, from its lower to its upper end."""
    low, high = scale.ends
    levels = range(-4 if scale.two else 0, 5)
    if colours:
        return f"{low} {''.join(_coloured(' ', level) for level in levels)} {high}"
    return f"{low} {''.join(_BLOCKS[abs(level) - 1] if level else ' ' for level in levels)} {high}"


def lines(
    found: Tokens, strengths: Array, valid: Array, width: int, colours: bool, marked: range = range(0)
) -> Iterator[str]:
    """The lines that a terminal shows: with colours behind the parts, or with marks below them.

    marked: the places of parts that are set off: underlined, or with ^ below them.
    """
    gap = " " if found.spaced else ""
    levels = [_level(share, there) for share, there in zip(strengths, valid, strict=True)]
    margin = 0 if colours else 2
    for line in found.lines([cells(label + gap) for label in found.shown], width - margin):
        if colours:
            yield gap.join(_coloured(found.shown[k], levels[k], k in marked) for k in line)
            continue
        yield " " * margin + gap.join(found.shown[k] for k in line).rstrip()
        carets = "".join(("^" if k in marked else " ") * cells(found.shown[k]) + " " * len(gap) for k in line).rstrip()
        if carets:
            yield " " * margin + carets
        for sign, mark in ((1, "+"), (-1, "−")):
            marks = "".join(_mark(found.shown[k], levels[k], sign) + " " * len(gap) for k in line).rstrip()
            if marks:
                yield f"{mark} {marks}"


def _level(share: float, valid: bool) -> int | str:
    """-4 to 4, or the sign of padding or of what is no number."""
    if not valid:
        return "x"
    return "#" if not np.isfinite(share) else int(np.rint(share * 4))


def ground(share: float, valid: bool, more: str = "", marked: bool = False) -> str:
    """The class and style of what is behind a part in a page. share: see `strength`. more: of its style."""
    if not valid or np.isnan(share):
        kind, styles = "box" if valid else "padded", [more]
    else:
        kind, styles = "above" if share >= 0 else "below", [f"--a:{100 * abs(share):.1f}%", more]
    style, kind = ";".join(filter(None, styles)), f"{kind} inside" if marked else kind
    return f'class="{kind}" style="{style}"' if style else f'class="{kind}"'


def _coloured(label: str, level: int | str, marked: bool = False) -> str:
    codes = ["1;4"] if marked else []
    if isinstance(level, str):
        codes.append(_SPECIAL[level])
    elif level:
        codes.append(f"48;5;{(_ABOVE if level > 0 else _BELOW)[abs(level) - 1]};38;5;16")
    return f"\x1b[{';'.join(codes)}m{label}\x1b[0m" if codes else label


def _mark(label: str, level: int | str, sign: int) -> str:
    """What stands below a part, in the row of values above 0 (sign 1) or below."""
    wide = cells(label)
    if isinstance(level, str):
        return (level if sign > 0 else " ") * wide
    return (_BLOCKS[level * sign - 1] if level * sign > 0 else " ") * wide
