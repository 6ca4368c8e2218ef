"""What every picture is saved as: SVG, a page, a PNG, a Vega-Lite specification."""

from __future__ import annotations

import json
import re
import struct
import sys
from inspect import signature
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.base.display import wrapped
from lstm_trace.documents import drawings
from lstm_trace.errors import FileError, OptionError
from lstm_trace.plot import kinds as table
from lstm_trace.plot.figure import Figure
from lstm_trace.plot.panels import Axis, Tick, step_axis
from lstm_trace.plot.plots import Plots
from lstm_trace.plot.png import encoded
from lstm_trace.plot.svg import below_axis

from .. import ROOT
from ..support.pictures import check, decoded, lstm, views

EXAMPLES = ROOT / "lstm_trace" / "examples"
LABELS = ("the", " cat", "\n", "<b>", "中文", "x" * 40)


@pytest.fixture(scope="module")
def figure() -> Figure:
    return lstm(labels=LABELS).plot()


# -- the four formats ------------------------------------------------------------------------------------------------


def test_a_file_of_each_format(tmp_path: Path) -> None:
    pytest.importorskip("typst")
    figure = lstm(labels=(*LABELS[:4], "né", LABELS[-1])).plot()  # a PNG of 中文 needs a font of the system
    for name in ("p.svg", "p.html", "p.json", "p.png", "P.HTM"):
        figure.save(tmp_path / name)
    assert (tmp_path / "p.svg").read_text("utf-8") == figure.svg() + "\n"
    assert (tmp_path / "p.html").read_text("utf-8") == (tmp_path / "P.HTM").read_text("utf-8") == figure.html()
    assert json.loads((tmp_path / "p.json").read_text("utf-8")) == figure.to_vega()
    content = (tmp_path / "p.png").read_bytes()
    wide, tall = map(float, re.findall(r'viewBox="0 0 (\d+) (\d+)"', figure.svg())[0])
    assert content.startswith(b"\x89PNG")
    assert struct.unpack(">II", content[16:24]) == (2 * wide, 2 * tall)
    figure.save(tmp_path / "plain", format="svg")
    assert (tmp_path / "plain").read_text("utf-8").startswith("<svg")


def test_what_is_refused(figure: Figure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileError, match=r"p\.pdf: pictures are written as \.svg, \.png, \.html, \.htm, \.json, not"):
        figure.save(tmp_path / "p.pdf")
    with pytest.raises(OptionError, match="no format 'gif'; expected svg, png, html or json"):
        figure.save(tmp_path / "p", format="gif")
    monkeypatch.setitem(sys.modules, "typst", None)
    with pytest.raises(OptionError, match=r"PNG needs the package typst.*not installed.*or write \.svg or \.html"):
        figure.save(tmp_path / "p.png")
    assert not list(tmp_path.iterdir())


def test_the_page_loads_nothing_and_says_title_and_caption_once() -> None:
    page = lstm(12, 12).plot().html()
    assert page.startswith("<!doctype html>")
    assert not re.findall(r"(?:src|href)=\"(?!data:|#)[^\"]*\"|url\(|@import", page.replace("http://www.w3.org", ""))
    assert "default-src 'none'" in page
    assert page.count("A &lt; B (Gates and states over time)") == 3  # head, heading, and the title of the SVG
    assert page.count("Shown are the 8 of 12 units whose values change most.") == 2  # text, and what the SVG says
    assert "<figcaption>Shown are the 8 of" in page
    assert 'class="title"' not in page
    assert "prefers-color-scheme:dark" in page


def test_a_picture_in_a_page_is_as_high_as_its_body(figure: Figure) -> None:
    whole, bare = figure.svg(), drawings.bare(figure.svg())
    top, tall = map(int, re.findall(r'data-body="(\d+) (\d+)"', whole)[0])
    assert f'viewBox="0 {top} 840 {tall}" width="840" height="{tall}"' in bare
    ElementTree.fromstring(bare)  # noqa: S314 - our own
    for kept in ('class="panel"', 'class="kind"', 'class="mark"'):
        assert bare.count(kept) == whole.count(kept) > 0


def test_png_needs_no_style_that_only_browsers_know(figure: Figure) -> None:
    light = drawings.light(figure.svg())
    sheet_text = re.findall(r"<style>(.*?)</style>", light, re.S)[0]
    assert "var(" not in sheet_text
    assert "@media" not in sheet_text
    assert "--" not in sheet_text
    assert ".lstm-plot .ground{fill:#fff}" in sheet_text
    assert sheet_text.count("{") == sheet_text.count("}") > 20


def test_labels_stand_upright_in_one_row_or_two_before_they_are_turned() -> None:
    def drawn(labels: list[str], pitch: float) -> tuple[str, float]:
        axis = Axis(0, len(labels) - 1, labels=tuple(map(Tick, range(len(labels)), labels)), kind="nominal")
        return below_axis(axis, lambda k: 100 + k * pitch, 50.0, 0.0)

    one, tall = drawn(["a", "b", "c"], 18.0)
    assert re.findall(r'x="([\d.]+)" y="([\d.]+)">(\w)<', one) == [
        ("100.0", "63.0", "a"), ("118.0", "63.0", "b"), ("136.0", "63.0", "c"),
    ]  # fmt: skip
    two, higher = drawn(["a", "b", "c", "d"], 5.5)
    assert re.findall(r'y="([\d.]+)">(\w)<', two) == [("63.0", "a"), ("76.0", "b"), ("63.0", "c"), ("76.0", "d")]
    assert higher == tall + 13
    assert "rotate" not in drawn(["wide"] * 2 + ["a"] * 9, 14.0)[0]  # only neighbours have to have room
    turned, _ = drawn(["wider"] * 5, 12.0)
    assert turned.count("rotate(-90)") == 5
    assert drawn(["wider"] * 6, 6.0)[0].count("rotate(-90)") == 3
    assert "rotate" not in drawn(["alone, as wide as it is"], 0.0)[0]


# -- Vega-Lite -------------------------------------------------------------------------------------------------------


def test_the_specification_has_the_values(figure: Figure) -> None:
    found = figure.to_vega()
    check(found)
    seen = {}
    for view, values in views(found):
        unit = int(re.findall(r"\d+", view["title"])[-1])
        seen |= {(row["line"], unit, row["t"]): row["value"] for row in values}
    for name in ("i_t", "f_t", "o_t", "c_tilde", "c_t", "h_t"):
        line = {"c_tilde": "c̃_t"}.get(name, name)  # as in the SVG
        for j in range(3):
            column = figure.data[f"{name}[{j}]"]
            assert [seen[line, j, t] for t in range(6)] == column.tolist()
    assert len(seen) == 6 * 3 * 6


@pytest.mark.few(0)
def test_a_long_specification_keeps_the_ends_and_says_so() -> None:
    figure = lstm(4_000, 4).plot()
    found = figure.to_vega()
    check(found)
    said = re.findall(r"A curve shows the lowest and the highest value of every (\d+) steps", str(found["title"]))
    size = int(said[0])
    for view, values in views(found):
        unit = int(re.findall(r"\d+", view["title"])[-1])
        for name in {row["line"] for row in values}:
            column = "c_tilde" if name == "c̃_t" else name
            whole = figure.data[f"{column}[{unit}]"].to_numpy()
            rows = {row["t"]: row["value"] for row in values if row["line"] == name}
            for at in range(0, 4_000, size):
                here = [rows[t] for t in range(at, min(at + size, 4_000)) if t in rows]
                assert (min(here), max(here)) == (whole[at : at + size].min(), whole[at : at + size].max())


def test_what_is_no_number_is_null() -> None:
    trace = lt.run({}, [[1.0], [np.nan], [2.0]], cell={"equations": "s_t = s_prev + x_t\ncarry: s_prev <- s_t"})
    found = trace.plot().to_vega()
    check(found)
    assert [row["value"] for row in next(views(found))[1]] == [1.0, None, None]


# -- labels of steps -------------------------------------------------------------------------------------------------


def test_labels_of_steps_stand_below_and_in_the_frame(figure: Figure) -> None:
    assert figure.data["token"].tolist() == list(LABELS)
    root = ElementTree.fromstring(figure.svg())  # noqa: S314 - our own
    seen = [e.text for e in root.iter("{http://www.w3.org/2000/svg}text") if "step" in str(e.get("class"))]
    assert seen == ["the", "␣cat", "↵", "<b>", "中文", "x" * 13 + "…"] * 2  # below both panels
    assert "token" not in lstm().plot().data


def test_labels_that_are_many_or_long_are_turned_and_left_out() -> None:
    words, where = lt.run(EXAMPLES / "q22.yaml").plot, dict[int, float]()
    assert words
    from lstm_trace.languages.strings import words as strings

    for n, pitch, turned, kept in ((5, 40, False, 5), (5, 12, True, 5), (50, 4, True, 17)):
        where = {k: 50 + k * pitch for k in range(n)}
        axis = step_axis(strings(), range(n), ["word"] * n, 10)
        svg, tall = below_axis(axis, where.__getitem__, 10.0, 40.0)
        assert ("rotate(-90)" in svg) == turned
        assert svg.count(">word<") == kept
        assert tall > 18
    assert below_axis(step_axis(strings(), range(n), [], 10), where.__getitem__, 10.0, 40.0)[1] == 18


def test_labels_of_steps_that_share_a_position_stand_there() -> None:
    from lstm_trace.languages.strings import words as strings

    labels = step_axis(strings(), range(7), list("abcdefg"), 10, size=3).labels
    assert [(tick.at, tick.label) for tick in labels] == [
        (0, "a"), (0, "b"), (0, "c"), (1, "d"), (1, "e"), (1, "f"), (2, "g"),
    ]  # fmt: skip


# -- our own PNG -----------------------------------------------------------------------------------------------------


def test_pixels_are_read_back() -> None:
    draw = np.random.default_rng(1)
    for shape in ((1, 1), (3, 7), (40, 2)):
        pixels, palette = draw.integers(0, 256, shape), draw.integers(0, 256, (256, 3))
        found, colours = decoded(encoded(pixels, palette))
        assert (found == pixels).all()
        assert (colours == palette).all()


# -- the table of kinds ----------------------------------------------------------------------------------------------


def test_every_kind_is_a_method_with_the_same_options() -> None:
    for kind in table.KINDS:
        method = list(signature(getattr(Plots, kind)).parameters)[1:]
        assert method == list(table.options(kind)), kind
        assert (getattr(Plots, kind).__doc__ or "").count("Args:") == 1
    with pytest.raises(OptionError, match="no kind of picture 'unti'"):
        table.maker("unti")


def test_lines_of_a_caption() -> None:
    assert wrapped("", 8) == []
    assert wrapped("one two three", 8) == ["one two", "three"]
    assert wrapped("中文字符中文字符", 8) == ["中文字符", "中文字符"]


@pytest.mark.parametrize("kind", ["unit", "states", "text"])
def test_no_unit_at_all_is_refused(kind: str) -> None:
    cell = {"equations": "c_t = 0.5 * c_prev + x_t\ncarry: c_prev <- c_t\noutput: c_t"}
    with pytest.raises(OptionError, match="unit names no unit: leave it out"):
        getattr(lt.run({}, [[1.0]] * 3, cell=cell).plot, kind)(unit=[]).svg()
