"""Text of other scripts in PNG and PDF: set by Typst at its place, and with all of its letters."""

from __future__ import annotations

import re
import shutil
import subprocess
from html import unescape
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from lstm_trace.base import fonts
from lstm_trace.documents import drawings
from lstm_trace.documents.drawings import bare, expression
from lstm_trace.plot.coloured_text import symmetric
from lstm_trace.plot.furniture import text_width

from ..support.pictures import lstm

THAI = ("ย", "\u0e35", "ก", "\u0e31", "\u0e48", "ม")


def _has(family: str) -> bool:
    typst = pytest.importorskip("typst")
    return family in typst.Fonts(include_system_fonts=True).families()


def test_plain_pictures_are_drawn_as_they_are() -> None:
    made = expression(drawings.light(lstm(4, 2, labels=("the", "cat", "né", "−1")).plot().svg()))
    assert made.startswith("image(bytes(")
    assert made.count("<text") > 10


@pytest.mark.parametrize(
    ("label", "least", "most"),  # in ems, as measured with Noto Sans
    [("အ", 1.07, 1.3), ("ည်", 1.1, 1.3), ("ရေး", 1.65, 2.0), ("ပြ", 0.91, 1.4), ("ที่", 0.61, 0.9), ("த", 0.8, 1.4)],
)
def test_letters_have_about_the_width_that_a_font_gives_them(label: str, least: float, most: float) -> None:
    assert least <= text_width(label, 1) <= most


def test_text_of_other_scripts_is_set_where_it_stood() -> None:
    svg = lstm(6, 2, labels=THAI).plot.states().svg()
    made = expression(drawings.light(svg), "50%")
    for label in ("ย", "◌\u0e35", "ม"):
        kind, x, y = re.findall(rf'<text class="([^"]*)" x="([\d.]+)" y="([\d.]+)">{label}<', svg)[0]
        assert kind == "mark step"
        assert f'put({x}, {y}, center, 0, size: 11pt, fill: rgb("#55555f"), "{label}")' in made
        assert f">{label}</text>" not in made
    assert '"Noto Serif Thai", "Noto Sans Thai"' in made
    whole, top = expression(drawings.light(svg)), float(re.findall(r'viewBox="0 (\d+)', bare(svg))[0])
    heights = [
        [float(y) for y in re.findall(r"put\([\d.]+, ([\d.]+)", one)]
        for one in (whole, expression(drawings.light(bare(svg))))
    ]
    assert [y - top for y in heights[0]] == pytest.approx(heights[1])


def test_a_sentence_stays_on_its_line() -> None:
    svg = lstm(6, 2, labels=THAI).plot.memory("5/c_t[0]").svg()
    title = re.findall(r'class="title"[^>]*>([^<]*)<', svg)[0]
    assert " " in title
    assert unescape(title).replace(" ", "\u00a0") in expression(drawings.light(svg))


def test_a_png_has_letters_of_the_size_of_its_latin_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    typst = pytest.importorskip("typst")
    pages: list[bytes] = []
    monkeypatch.setattr(fonts, "check", lambda *_: None)
    monkeypatch.setattr(typst, "compile", lambda page, **_: pages.append(page) or b"")
    lstm(6, 2, labels=THAI).plot.states().png()
    assert fonts.sized("".join(THAI)) in pages[0].decode()


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext is not there")
def test_a_pdf_has_every_mark(tmp_path: Path) -> None:
    typst = pytest.importorskip("typst")
    if not _has("Noto Sans Thai"):
        pytest.skip("no font for Thai")
    svg = lstm(6, 2, labels=THAI).plot.states().svg()
    source = f"#set page(width: 300pt)\n#{expression(drawings.light(svg))}"
    (tmp_path / "p.pdf").write_bytes(typst.compile(source.encode()))
    read = subprocess.check_output(["pdftotext", "-layout", "p.pdf", "-"], cwd=tmp_path).decode()  # noqa: S607
    assert all(letter in read for letter in THAI)


def test_a_png_of_letters_without_a_font_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("typst")
    monkeypatch.setattr(fonts, "_without_font", lambda letters, named: list(letters))
    with pytest.raises(Exception, match=r"this picture has Thai characters \(ย ก ม\).*or write \.svg or \.html"):
        lstm(6, 2, labels=THAI).plot.states().png()


@pytest.mark.few(0)
def test_the_fields_of_a_png_have_one_colour_each() -> None:
    pytest.importorskip("typst")
    image = pytest.importorskip("matplotlib.image")
    figure = lstm(4, 3).plot.states(lines="c_t")
    svg = figure.svg()
    pixels = np.rint(255 * image.imread(BytesIO(figure.png()))[..., :3])
    x, y, wide, tall = (
        2 * float(n) for n in re.findall(r'class="heat" x="(.*?)" y="(.*?)" width="(.*?)" height="(.*?)"', svg)[0]
    )
    fields = pixels[int(y) : int(y + tall), int(x) : int(x + wide)]
    scale = symmetric(figure.data.to_numpy())
    colours = scale.palette[scale.levels(figure.data.to_numpy())]
    for t in range(4):
        for j in range(3):
            top, left = int(j * tall / 3), int(t * wide / 4)
            field = fields[top + 2 : top + int(tall / 3) - 2, left + 2 : left + int(wide / 4) - 2]
            assert (field == colours[t, j]).all()


def _drawn(text: str) -> np.ndarray:
    """A text of one line, as PNG has it: whether each pixel is dark."""
    typst, image = pytest.importorskip("typst"), pytest.importorskip("PIL.Image")
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 40" width="200" height="40"><style></style>'
        f'<text class="label" x="5" y="20" font-size="16">{text}</text></svg>'
    )
    page = f"#set page(width: 200pt, height: 40pt, margin: 0pt)\n#{expression(svg)}"
    return np.asarray(image.open(BytesIO(typst.compile(page.encode(), format="png"))).convert("L")) < 128


@pytest.mark.parametrize("letter", ["f", "i"])
def test_an_index_is_lowered_after_any_letter(letter: str) -> None:
    """f and t are one glyph in Typst's font, which would stand on the line as a whole."""
    rows = np.flatnonzero(_drawn(f'{letter}<tspan dy="8">t</tspan>').any(axis=1))
    assert rows.max() >= 2 * (20 + 8) - 3  # two pixels for each of its picture


@pytest.mark.parametrize("letters", ["seven", "left", "coffee", "fit", "attach", "The", "Quick"])
def test_a_sign_of_another_font_is_drawn_beside_any_letters(letters: str) -> None:
    """The circle is round at its right end; the box that stands for what has no glyph is as high there as anywhere."""
    drawn = _drawn(f"{letters} ⊙")
    columns = np.flatnonzero(drawn.any(axis=0))
    sign = drawn[:, columns[np.flatnonzero(np.diff(columns) > 4)[-1] + 1] :]
    (right,) = np.flatnonzero(sign.any(axis=0))[-1:]
    assert sign[:, right].sum() < 0.7 * np.ptp(np.flatnonzero(sign.any(axis=1)))
