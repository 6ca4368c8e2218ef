"""Text in a picture: symbols marked as such, the width of text, and its SVG."""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Mapping
from dataclasses import replace
from itertools import accumulate
from unicodedata import category, east_asian_width

import numpy as np

from ..base.arrays import Array
from ..base.display import escape, visible, wrapped
from ..base.packaged import asset, packaged
from ..formulas.numbers import show
from ..formulas.plain import PLAIN, Plain, number, raised
from ..formulas.user_tex import WORDS
from ..languages.strings import Words

#: Maximum length of a formula in a box; longer ones are cut.
ROOM = 30


# marks around a symbol's letter and index until they are typeset; before a letter that is a name, or upright, and
# before a superscript
OPEN, MIDDLE, CLOSE, NAME, UPRIGHT, UPPER = "\ue000", "\ue001", "\ue002", "\ue003", "\ue004", "\ue005"


#: Approximate width of a letter in ems, by lowest code point: letters of South and South-East Asian scripts, of which
#: Burmese, Tamil, Malayalam and Sinhala have the widest. Combining signs and vowels are half as wide.
_WIDTHS: list[tuple[int, float]] = packaged("plot/widths.toml")["widths"]
#: Latin letters and signs that are narrower or wider than most, in ems of DejaVu Serif, the widest of the fonts that
#: the style sheets name or a system uses for `serif`: a text that fits in it fits in all.
_LATIN = {
    **dict.fromkeys("fijltIJ ,.;:'!|·()[]{}", 0.4), **dict.fromkeys("rsz_/", 0.53),
    **dict.fromkeys("ABCDEFGHKLNOPQRSTUVXYZ+−=⊙×÷<>≈≤≥^", 0.84), **dict.fromkeys("mwMW@%", 1.03),
}  # fmt: skip
#: Burmese letters of a single circle, which are as narrow as signs.
_ROUND = frozenset("ခဂငစဎဒဓနပဖဗမရဝ")

MARKS = frozenset(OPEN + MIDDLE + CLOSE + NAME + UPRIGHT + UPPER)


def unmarked(text: str, kept: str = "") -> str:
    """The text without its marks, except those in `kept`."""
    return "".join(c for c in text if c not in MARKS or c in kept)


def as_text(marked: str) -> str:
    """A marked text as plain text.

    >>> as_text(f"written, {marked('i', 't')} ⊙ {marked('c', 't-1')}")
    'written, i_t ⊙ c_{t−1}'
    """

    def one(match: re.Match[str]) -> str:
        below, _, above = match[2].partition(UPPER)
        scripts = ((sign, script) for sign, script in (("_", below), ("^", above)) if script)
        return match[1] + "".join(f"{sign}{s}" if s.isalnum() else f"{sign}{{{s}}}" for sign, s in scripts)

    return unmarked(re.sub(f"{OPEN}(.*?){MIDDLE}(.*?){CLOSE}", one, marked))


def marked(base: str, sub: str = "") -> str:
    """A symbol with its index, marked as such."""
    return f"{OPEN}{base}{MIDDLE}{sub.replace('-', '−')}{CLOSE}"


def _upright(text: str) -> str:
    return marked(UPRIGHT + text)


def _scripts(base: str, sub: str, sup: str) -> str:
    base, sub, sup = unmarked(base, UPRIGHT), unmarked(sub), unmarked(sup)
    above = raised(sup) if sup else ""
    return marked(base, f"{sub}{UPPER}{sup}") if above.startswith("^") else marked(base, sub) + above


_SLANTED = ("italic", "bold italic", "script")


class MarkedPlain(Plain):
    """Plain text in which every symbol is marked, so that letters and indices can be typeset."""

    format = replace(
        PLAIN,
        letter=lambda c: marked(PLAIN.letter(c)),
        word=lambda command, text: marked(PLAIN.word(command, text)) if WORDS[command] in _SLANTED else _upright(text),
        accent=lambda name, body: marked(PLAIN.accent(name, unmarked(body, UPRIGHT))),
        scripts=_scripts,
        upright=_upright,
        name=lambda name: marked(NAME + name),
    )


def _advance(c: str) -> float:
    """Approximate width of a character in ems; a Chinese one fills its square."""
    if c in MARKS or category(c) in ("Mn", "Me"):
        return 0.0
    if east_asian_width(c) in "WF":
        return 1.0
    if "\u0590" <= c < "\u1e00":
        wide = next(wide for first, wide in reversed(_WIDTHS) if ord(c) >= first)
        return 0.58 * wide if c in _ROUND or not c.isalnum() else wide
    return _LATIN.get(c, 0.64)


def text_width(marked: str, size: float) -> float:
    """Approximate width of a marked text; indices are smaller."""
    indices = "".join(re.findall(f"{MIDDLE}(.*?){CLOSE}", marked))
    return size * (sum(map(_advance, marked)) - 0.28 * sum(map(_advance, indices)))


def spans(marked: str) -> str:
    """A marked text as SVG: letters in italics, indices lowered; everything escaped."""

    def one(match: re.Match[str]) -> str:
        if match[3]:
            return escape(match[3])
        kind = {NAME: "n", UPRIGHT: "u"}.get(match[1][:1], "m")
        base, (sub, _, sup) = escape(match[1].lstrip(NAME + UPRIGHT)), escape(match[2]).partition(UPPER)
        lowered = f'<tspan class="s" dy="0.28em">{sub}</tspan><tspan dy="-0.2em">\u200b</tspan>' if sub else ""
        above = f'<tspan class="s" dy="-0.5em">{sup}</tspan><tspan dy="0.36em">\u200b</tspan>' if sup else ""
        return f'<tspan class="{kind}">{base}</tspan>{lowered}{above}'

    return re.sub(f"{OPEN}(.*?){MIDDLE}(.*?){CLOSE}|([^{OPEN}]+)", one, marked)


def cut_to_room(marked: str) -> str:
    """At most ROOM characters of a marked text, never cut in the middle of a symbol."""
    parts = re.findall(f"{OPEN}.*?{CLOSE}|.", marked)
    ends = list(accumulate(len(unmarked(part)) for part in parts))
    if not parts or ends[-1] <= ROOM:
        return marked
    return "".join(parts[: bisect(ends, ROOM - 2)]).rstrip(" +-−(") + " …"


#: Width of a picture, and the margins left and right of its panels.
WIDE, LEFT, RIGHT = 840.0, 58.0, 16.0
#: Height of the title, where the body begins; of a line of the caption; of a line of text.
HEAD, NOTE, LINE = 34.0, 16.0, 18.0
#: Maximum width of a step's label in columns.
LABEL = 14


def document(title: str, caption: str, told: str, body: str, bottom: float, wide: float = WIDE) -> str:
    """A picture as SVG.

    Args:
        title: text above it.
        caption: sentences below it.
        told: text alternative for screen readers.
        body: SVG between y = HEAD and `bottom`.
        bottom: where the caption begins.
        wide: width.
    """
    notes, tall = "", bottom
    for line in note_lines(caption, int((wide - LEFT) / 6.6)):
        notes += f'<text class="note" x="{LEFT:.0f}" y="{tall + 8:.1f}">{escape(line)}</text>\n'
        tall += NOTE
    tall += 8
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="lstm-plot" role="img" viewBox="0 0 {wide:.0f} {tall:.0f}" '
        f'width="{wide:.0f}" height="{tall:.0f}" data-body="{HEAD:.0f} {bottom - HEAD:.0f}">\n'
        f"<title>{escape(title)}</title>\n<desc>{escape(told)}</desc>\n<style>{asset('plot/plot.css')}</style>\n"
        f'<rect class="ground" width="100%" height="100%" rx="6"/>\n'
        f'<text class="title" x="{LEFT:.0f}" y="24.8">{escape(title)}</text>\n{body}{notes}</svg>'
    )


def text(kind: str, x: float, y: float, content: str) -> str:
    """A text. kind: its class. content: SVG, with escaped text."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{content}</text>'


def shown_number(value: object, digits: int = 4) -> str:
    """A number as shown in a picture, with a minus sign as wide as a plus."""
    return number(show(value, digits)).removesuffix(".0").replace("-", "−")


def reach(values: Array) -> dict[str, str]:
    """The smallest and the largest of some values, as fields of a sentence; dashes if none is finite."""
    finite = values[np.isfinite(values)]
    least, most = (shown_number(v) for v in (finite.min(), finite.max())) if finite.size else ("–", "–")
    return {"least": least, "most": most}


def note_lines(text: str, room: int) -> list[str]:
    """Sentences in lines of at most `room` columns, broken at spaces."""
    return wrapped(" ".join(text.split()), room)


def step_in_words(words: Words, t: int, label: str = "") -> str:
    """A step, with its label if it has one."""
    step = words.word("step.short", t=words.nth(t))
    return words.word("step.named", step=step, name=visible(label, LABEL)) if label else step


def remarks(words: Words, when: Mapping[str, object]) -> list[str]:
    """Sentences for a caption, each included if its condition holds."""
    return [words.word(key) for key, holds in when.items() if holds]


def of_units(scope: str, line: str, units: str) -> str:
    """Attributes of an element that shows units of a line, separated by spaces: a page uses them for tooltips."""
    return f' data-line="{escape(scope)}/{escape(line)}" data-units="{units}"'
