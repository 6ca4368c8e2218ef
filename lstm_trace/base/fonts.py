"""System fonts for text that Typst's own fonts cannot print: Thai, Burmese, Chinese, and other scripts.

If no font is named, Typst looks for one letter by letter, so that a vowel and the letter below it may come from two
fonts and be misplaced. A family that has the whole script is therefore named.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import cache

from ..errors import OptionError
from .packaged import packaged

#: Families with Chinese, Japanese and Korean characters; the first one that is installed is used.
CJK: tuple[str, ...] = tuple(packaged("base/fonts.toml")["cjk"])
#: Families for systems without Noto fonts, by the name that Unicode has for the script.
_OTHERS: dict[str, list[str]] = packaged("base/fonts.toml")["other"]
_INDIC = ("Nirmala UI", "Kohinoor Devanagari", "Mangal", "Lohit Devanagari")
#: Families without serifs are tried first: Noto's bold serif face claims the weight of the regular one.
_SANS = ("Myanmar",)
_EAST_ASIAN = ("Cjk", "Hiragana", "Katakana", "Hangul", "Ideographic", "Fullwidth", "Bopomofo")
#: Maximum number of letters of a text that are looked up.
_MOST = 2_000
#: Noto and similar fonts are made for Latin letters of their own size (x-height 0.536 em); those of Typst's font are
#: smaller (0.431 em). East Asian characters fill the em.
_SIZE = "0.8em"
#: A character that no font has.
_NONE = "\U0010ffff"


def common(letter: str) -> bool:
    """Whether Typst's own fonts have a character: Latin, Greek, Cyrillic, and signs."""
    return ord(letter) < 0x530 or 0x1E00 <= ord(letter) < 0x2C00


def uncommon(text: str) -> list[str]:
    """The distinct characters of a text that need a system font."""
    return [] if text.isascii() else [letter for letter in dict.fromkeys(text) if not common(letter)]


def families(text: str) -> list[str]:
    """Families that have the scripts of a text, in the order in which they are tried, installed or not.

    >>> families("α"), families("ဆို")
    ([], ['Noto Sans Myanmar', 'Noto Serif Myanmar', 'Myanmar Text', 'Myanmar MN', 'Padauk'])
    """
    found: dict[str, None] = {}
    for script in dict.fromkeys(map(_script, uncommon(text))):
        if script in _EAST_ASIAN:
            wanted: tuple[str, ...] = CJK
        else:
            styles = ("Sans", "Serif") if script in _SANS else ("Serif", "Sans")
            wanted = (*(f"Noto {style} {script}" for style in styles), *_OTHERS.get(script, _INDIC))
        found |= dict.fromkeys(wanted)
    return list(found)


def sized(text: str) -> str:
    """A Typst rule that makes letters of other scripts in a text as large and as heavy as the Latin ones.

    Joiners, and the circle that carries an isolated mark, belong to the same run, so that no cluster is cut.
    """
    letters = [c for c in uncommon(text) if unicodedata.category(c)[0] in "LMN" and _script(c) not in _EAST_ASIAN]
    if not letters:
        return ""
    listed = "".join(f"\\u{{{ord(c):x}}}" for c in sorted(letters)[:_MOST])
    return f'#show regex("◌?[{listed}][\\u{{200c}}\\u{{200d}}{listed}]*"): set text({_SIZE})\n'


def check(text: str, what: str, instead: str) -> None:
    """Raise OptionError if the system has no font for letters of a text, since boxes would be printed.

    Args:
        text: the text to print.
        what: a description with its article.
        instead: formats that need no font.
    """
    letters = [letter for letter in uncommon(text) if unicodedata.category(letter)[0] in "LN"][:_MOST]
    missing = _without_font(letters, families(text)) if letters else []
    if not missing:
        return
    scripts = list(dict.fromkeys("East Asian" if _script(c) in _EAST_ASIAN else _script(c) for c in missing))
    package = "fonts-noto-cjk" if "East Asian" in scripts else "fonts-noto-core"
    raise OptionError(
        f"{what} has {', '.join(scripts[:3])} characters ({' '.join(missing[:5])}), and no font for them was found: "
        f"install one (Debian and Ubuntu have them in {package}), or write {instead}"
    )


def _without_font(letters: Iterable[str], named: Iterable[str]) -> list[str]:
    """The letters for which Typst prints the box of a missing glyph, recognised by their size."""
    import json

    import typst

    letters = [*letters, _NONE]
    listed = ", ".join(f'"\\u{{{ord(letter):x}}}"' for letter in letters)
    fonts = ", ".join(f'"{name}"' for name in ("New Computer Modern", *named))
    source = (
        f'#set page(width: auto)\n#set text(font: ({fonts},), top-edge: "bounds", bottom-edge: "bounds")\n'
        f"#context [#metadata(({listed},).map(c => measure(text(c))).map(m => (m.width.pt(), m.height.pt()))) <sizes>]"
    )
    sizes = json.loads(typst.query(source.encode(), "<sizes>", field="value", one=True))
    return [letter for letter, size in zip(letters[:-1], sizes[:-1], strict=True) if size == sizes[-1]]


@cache
def _script(letter: str) -> str:
    """The first word of a character's name."""
    return unicodedata.name(letter, "unknown").split()[0].split("-")[0].title()
