"""The tour is true: its commands and its Python run, print what it shows, and draw the pictures that it has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import lstm_trace as lt
from docs import tour
from lstm_trace.engine.run import with_holds

from .support.last_digits import same

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
    """The lines of a text; letters in quotes in order: those at which a unit is saturated are in that of rounding."""
    text = re.sub(r"‘[^’\n]*’(?: ‘[^’\n]*’)+", lambda found: " ".join(sorted(found[0].split())), text)
    return [" ".join(line.split()) for line in text.splitlines()]


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
            fits = (
                k for k, other in enumerate(printed[at:] if gap else printed[at : at + 1]) if same(other, line, 1e-6)
            )
            if (skipped := next(fits, None)) is None:
                pytest.fail(f"{line}\nis not printed by\n{block.source}{block.printed}")
            at, gap = at + skipped + 1, False
        assert not block.shown or gap or at == len(printed), f"{block.source}: more is printed"


def test_the_numbers_of_its_prose_are_printed(blocks: list[tour.Block], folder: Path) -> None:
    words = [
        word for path in folder.glob("*.svg") for word in re.findall("<desc>(.*?)</desc>", path.read_text("utf-8"))
    ]
    printed = " ".join(words + [block.source + block.printed for block in blocks])
    known = set(re.findall(r"\d+(?:\.\d+)?", printed))
    told = set(re.findall(r"(?<![\w.])\d+(?:\.\d+)?", PROSE))
    assert len(told) > 20
    places = {len(number.partition(".")[2]) for number in told}
    rounded = {f"{float(number):.{digits}f}" for number in known for digits in places if "." in number and digits}
    assert not told - known - rounded


def test_scores_move_after_the_characters_at_which_the_unit_is_on(blocks: list[tour.Block], folder: Path) -> None:
    assert blocks
    scores = lt.load(folder / "scores.json")
    held = with_holds(scores, {f"forward/h_t[{unit}]": 0.0 for unit in (0, 4, 10)})
    moved = abs(held["s_t"] - scores["s_t"])[:, 0].max(axis=1)
    before = [int(t) - 1 for t in moved.argsort()[:-6:-1]]
    assert all(scores.at(direction="forward")["h_t"][t, 0, 10] < -0.7 for t in before)
    assert sorted(scores.header.step_labels[0][t] for t in before) == sorted("เเเแห")


def test_its_pictures_are_those_that_it_draws(blocks: list[tour.Block], folder: Path) -> None:
    kept = {path.name: path.read_text("utf-8") for path in tour.PICTURES.iterdir()}
    drawn = {path.name: path.read_text("utf-8") for path in folder.glob("*.svg")}
    assert sorted(drawn) == sorted(kept)
    for name, picture in drawn.items():  # coordinates have one decimal
        assert same(picture, kept[name], 0.101), f"{name}: `make images` draws it anew"
    assert set(re.findall(r"\(images/tour/(.*?)\)", PAGE)) == set(kept)
    assert sum(map(len, kept.values())) < 200_000
