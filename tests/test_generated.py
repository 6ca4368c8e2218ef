"""What is generated into the documentation and beside it is current: `make golden` writes it."""

from __future__ import annotations

import re

import pytest

from docs.generated import FILES, PAGES, TEXTS, filled

FILLED = [page for page in PAGES if "<!-- generated:" in page.read_text(encoding="utf-8")]


@pytest.mark.parametrize("page", FILLED, ids=lambda page: page.name)
def test_pages_are_current(page: object) -> None:
    text = page.read_text(encoding="utf-8")  # type: ignore[attr-defined]
    assert filled(text) == text, "make golden writes it"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_files_are_current(path: object) -> None:
    assert path.read_text(encoding="utf-8") == FILES[path](), "make golden writes it"  # type: ignore[attr-defined,index]


def test_everything_that_is_generated_stands_in_a_page() -> None:
    every = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert set(re.findall(r"<!-- generated: ([\w-]+) -->", every)) == set(TEXTS)
