"""Texts from clients, made fit to be kept: labels (a file's name), titles, tags, and what a search compares."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from ..errors import OptionError, counted, raise_all

#: Characters of a title and of a tag, tags of an item, bytes of a label (a file's name may have 255 on most systems).
MOST_TITLE, MOST_TAG, MOST_TAGS, MOST_LABEL = 200, 40, 20, 200
_MOST_SUFFIX = 16
_JOINER = "\u200d"  # of emoji; the only character without a shape of its own that stays


def seen(text: str) -> str:
    r"""The text on one line, with U+FFFD for every character that acts instead of being seen (marks of direction too).

    >>> seen(" a\u00a0b\n c\u200f\x00 ")
    'a b c��'
    """
    return "".join(c if c.isprintable() or c == _JOINER else "\ufffd" for c in " ".join(text.split()))


def as_label(text: str) -> str:
    r"""A client's name of a file as one that can be shown, and that names a file in a folder of its own.

    >>> as_label("../../etc/passwd"), as_label(r"C:\nets\a.npz"), as_label(".."), as_label("x" * 300 + ".npz")[-9:]
    ('passwd', 'a.npz', 'file', 'xxxxx.npz')
    """
    name = seen(re.split(r"[/\\]", text)[-1])
    stem, dot, end = name.rpartition(".")
    if not dot or len(end.encode()) > _MOST_SUFFIX:
        stem, end = name, ""
    stem = stem.lstrip(".- ") or "file"
    suffix = f".{end}" if end else ""
    while len((stem + suffix).encode()) > MOST_LABEL:
        stem = stem[:-1]
    return stem + suffix


def folded(*texts: str) -> str:
    """Texts as a search compares them: without regard to case, wide forms and ligatures."""
    return "\n".join(unicodedata.normalize("NFKC", text).casefold() for text in texts)


def checked_title(title: str) -> str:
    """A title as it is kept. Raises OptionError."""
    title = title.strip()
    raise_all(OptionError, _faults(title, "the title", MOST_TITLE))
    return title


def checked_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Tags as they are kept: each once, sorted. Raises OptionError with every fault."""
    found = sorted({tag.strip() for tag in tags} - {""})
    problems = [problem for tag in found for problem in _faults(tag, f"the tag {seen(tag)[:60]!r}", MOST_TAG)]
    problems += [f"a tag has no comma: {seen(tag)!r}" for tag in found if "," in tag]
    if len(found) > MOST_TAGS:
        problems.append(f"{counted(len(found), 'tag')}; an item has at most {MOST_TAGS}")
    raise_all(OptionError, problems)
    return tuple(found)


def _faults(text: str, what: str, most: int) -> list[str]:
    problems = []
    if len(text) > most:
        problems.append(f"{what} has {len(text):,} characters; at most {most} are kept")
    if text != seen(text):
        problems.append(f"{what} has a character that cannot be shown, or lines or spaces beyond one; write it plainly")
    return problems
