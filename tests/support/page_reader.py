"""Reads an HTML report back with the standard library's parser: numbers with their addresses, headings, structure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from html.parser import HTMLParser

VOID = frozenset({"meta", "link", "br", "wbr", "hr", "img", "input", "col", "mspace"})


@dataclass
class Element:
    """An element with its attributes, its text as it is read, and what it stands in."""

    tag: str
    attributes: dict[str, str]
    parent: Element | None
    parts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text in it; a raised power stands after a caret."""
        return "".join(self.parts)

    def inside(self, tag: str) -> bool:
        """Whether it stands in an element of that kind."""
        at = self.parent
        while at is not None and at.tag != tag:
            at = at.parent
        return at is not None


class Page(HTMLParser):
    """Every element of a page in order; raises AssertionError for one that is not closed."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self.open: list[Element] = []
        self.feed(html)
        assert not self.open, self.open[-1]
        self.by_id = {e.attributes["id"]: e for e in self.elements if "id" in e.attributes}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {k: v or "" for k, v in attrs}, self.open[-1] if self.open else None)
        assert len({k for k, _ in attrs}) == len(attrs), (tag, attrs)
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)
        if tag == "sup":
            self.handle_data("^")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.parts.append(data)

    def every(self, tag: str) -> list[Element]:
        """All elements of a kind."""
        return [e for e in self.elements if e.tag == tag]


NUMBER = re.compile(r"(−?)(\d+)(?:\.(\d+))?(?:×10\^(−?\d+))?")


def number(text: str) -> tuple[Fraction, Fraction]:
    """A printed number exactly, and half a unit of its last shown digit; a given one without decimals is exact."""
    found = NUMBER.fullmatch(text)
    assert found, text
    scale = Fraction(10) ** int((found[4] or "0").replace("−", "-"))
    value = Fraction(f"{found[2]}.{found[3] or 0}") * scale
    return (-value if found[1] else value), scale / 10 ** len(found[3]) / 2 if found[3] else Fraction(0)


def numbers(page: Page) -> list[tuple[str, str]]:
    """(address, text) of every number that was made on the page or links to where it was made."""
    found = []
    for element in page.elements:
        if "data-a" in element.attributes:
            found.append((element.attributes["data-a"], element.text))
        elif element.tag == "a" and re.fullmatch("#n[0-9a-z]+", element.attributes.get("href", "")):
            found.append((page.by_id[element.attributes["href"][1:]].attributes["data-a"], element.text))
    return found
