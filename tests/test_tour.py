"""The tour is true: its commands and its Python run, print what it shows, and draw the pictures that it has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs import tour

PAGE = tour.PAGE.read_text("utf-8")
#: What is left of the page without blocks, pictures and links.
PROSE = re.sub(r"```.*?```|!\[.*?\)|\]\(.*?\)", "", PAGE, flags=re.S)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tour")


@pytest.fixture(scope="module")
def blocks(folder: Path) -> list[tour.Block]:
    return list(tour.run(folder))


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.replace("\u00a0", " ").splitlines()]


def test_what_it_shows_is_printed(blocks: list[tour.Block]) -> None:
    """Line by line, in order; `…` stands for lines that are left out, and without one none is."""
    assert sum(block.source.startswith("lstm-trace") for block in blocks) == 10 == PAGE.count("\n## ") - 2
    for block in blocks:
        expected = int(code[1]) if (code := re.search(r"exit code (\d)", block.source)) else 0
        assert block.code == expected, f"{block.source}{block.printed}"
        printed, at, gap = lines(block.printed), 0, False
        for line in lines(block.shown):
            if line == "…":
                gap = True
                continue
            assert line in (printed[at:] if gap else printed[at : at + 1]), f"{block.source}{block.printed}"
            at, gap = printed.index(line, at) + 1, False
        assert not block.shown or gap or at == len(printed), f"{block.source}: more is printed"


def test_the_numbers_of_its_prose_are_printed(blocks: list[tour.Block]) -> None:
    printed = " ".join(block.source + block.printed for block in blocks)
    known = set(re.findall(r"\d+(?:\.\d+)?", printed))
    told = set(re.findall(r"(?<![\w.])\d+(?:\.\d+)?", PROSE))
    assert len(told) > 20
    places = {len(number.partition(".")[2]) for number in told}
    rounded = {f"{float(number):.{digits}f}" for number in known for digits in places if "." in number and digits}
    assert not told - known - rounded


def test_its_pictures_are_those_that_it_draws(blocks: list[tour.Block], folder: Path) -> None:
    kept = {path.name: path.read_text("utf-8") for path in tour.PICTURES.iterdir()}
    drawn = {path.name: path.read_text("utf-8") for path in folder.glob("*.svg")}
    assert drawn == kept, "`make images` draws them anew"
    assert set(re.findall(r"\(images/tour/(.*?)\)", PAGE)) == set(kept)
    assert sum(map(len, kept.values())) < 200_000
