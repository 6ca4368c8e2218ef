"""Blanks, input fields and equations one under the other: in every format, and on the wire."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from time import perf_counter

import pytest

from lstm_trace.documents import latex, layout, markdown, terminal, typst, wire
from lstm_trace.documents.blocks import Body, Code, Derivation as Lines, Heading, Para, Row, Stacked, Table, marked
from lstm_trace.documents.html import HtmlPrinter
from lstm_trace.documents.layout import style_sheet
from lstm_trace.errors import FileError
from lstm_trace.formulas.tree import Blank, Call, Field, Prod, Sym, number
from lstm_trace.report import report

FORGET = Call("sigmoid", (Sym("z_f"),))
BODY = Body(
    (
        Heading(1, ("Sheet",)),
        Lines(((Row((Sym("f_t"),), (("=", FORGET), ("=", Blank("0/f_t[0]", 6)))),),)),
        Para(("c is ", Field("0/c_t[0]", "0.25"), " or ", Field("0/c_t[1]", width=4), ".")),
        Stacked(((("a has ",), (Sym("h_t"), " = ", Prod(Sym("o_t"), Sym("c_t")))), (("b has ",), (Sym("h_t"),)))),
        Table(((), ("value",)), ((("first",), (number(1.5),)),), 1, frozenset({0})),
    ),
    legible=True,
)


def test_a_terminal_shows_a_line_to_write_on_and_equations_below_each_other() -> None:
    text = terminal.render([BODY])
    assert "f_t = σ(z_f) = ______\n" in text
    assert "c is 0.25 or ____." in text
    assert "  a has   h_t = o_t ⊙ c_t\n  b has   h_t\n" in text


def test_a_page_has_boxes_and_fields_by_name() -> None:
    html = "".join(map(HtmlPrinter(None, linked=False), BODY.blocks))
    assert '<input name="0/c_t[0]" aria-label="0/c_t[0]" size="8" value="0.25">' in html
    assert '<mtext class="blank">' in html
    assert '<td class="text"><math' in html
    assert "<thead></thead>" not in html


@pytest.mark.parametrize(
    ("text", "box"),
    [
        (markdown.render([BODY]), r"\boxed{\rule{0em}{1em}\hspace{3.6em}}"),
        (latex.render([BODY]), r"\boxed{\rule{0em}{1em}\hspace{3.6em}}"),
        (typst.render([BODY]), "#box(width: 3.6em,"),
    ],
)
def test_paper_has_boxes(text: str, box: str) -> None:
    assert box in text


@pytest.mark.parametrize(("letters", "align"), [(60, "ll"), (200, r"lp{0.75\linewidth}")])
def test_a_long_text_of_a_table_is_wrapped_in_latex(letters: int, align: str) -> None:
    body = Body((Table((("name",), ("text",)), ((("a",), ("ab " * (letters // 3),)),), 1, frozenset({0, 1})),))
    assert f"\\begin{{tabular}}{{{align}}}" in latex.render([body])


def test_words_are_wrapped_in_a_terminal_before_a_table_is_split() -> None:
    """Words of a table beside its places, and headings; if numbers alone are too wide, it is split."""
    a, b = "W_xi @ x_t + W_hi @ h_prev + b_i", "W_xi @ x_t + W_hi @ h_prev + b_i + w_ci * c_prev"
    head = tuple((text,) for text in ("changed", "a", "b", "contribution", "more than 1 % from"))
    row = tuple((text,) for text in ("0/forward/W_xi @ x_t", a, b, "+0.0654", "t = 1"))
    text = terminal.render([Body((Table(head, (row,), 1, frozenset({0, 1, 2})),))])
    assert (text.count("0/forward/W_xi @ x_t"), "\n\n" in text) == (1, False)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    starts = [lines[0].index(f" {name} ") + 1 for name in ("a", "b", "contribution")]
    cut = [" ".join(line[x:y].strip() for line in lines[1:]).split() for x, y in pairwise(starts)]
    assert [" ".join(words[: len(whole.split())]) for words, whole in zip(cut, (a, b), strict=True)] == [a, b]
    numbers = tuple(("1234567.5",) for _ in head)
    assert terminal.render([Body((Table(head * 2, (numbers * 2,)),))]).count("contribution") == 2


@pytest.mark.parametrize(("rows", "letters"), [(3, 92), (20, 102)])
def test_a_table_of_a_pdf_takes_the_width_of_the_page_before_it_is_split(rows: int, letters: int) -> None:
    """A4 with margins of 2 cm has room for 96 digits of 10 pt, and for 107 of the 9 pt of a long table."""
    numbers = (("1" * (letters // 7 - 2),),) * 7
    for columns, tables in ((7, 1), (8, 2)):
        body = Body((Table((), ((numbers * 2)[:columns],) * rows),))
        assert typst.render([body]).count(",\n)") == tables


@pytest.mark.few(0)
def test_a_column_of_twenty_thousand_numbers_is_aligned_in_a_moment() -> None:
    begin = perf_counter()
    terminal.render([Body((Table((("t",), ("value",)), ((("1",), ("0.25",)),) * 20_000),))])
    assert perf_counter() - begin < 5  # a quarter of a second; 8 s a column if each text looks at all


def test_typst_wraps_equations_of_a_table() -> None:
    rows = ((("0/forward/z_i",), ("W_xi @ x_t + " * 5,), ("W_xi @ x_t + " * 6,), ("+0.0654",)),)
    assert typst.render([Body((Table((), rows, 1, frozenset({0, 1, 2})),))]).count("#table(") == 1
    assert latex.render([Body((Table((), rows, 1, frozenset({0, 1, 2})),))]).count(r"\begin{tabular}") > 1


def test_columns_of_words_are_aligned_at_the_left() -> None:
    assert r"\begin{tabular}{lr}" in latex.render([BODY])
    assert "align: (left, right,)" in typst.render([BODY])
    assert "|-------|------:|" in markdown.render([BODY])


@pytest.mark.few(0)
def test_what_went_over_the_wire_prints_as_before() -> None:
    data = json.loads(json.dumps(wire.encoded(BODY), allow_nan=False))
    again = wire.decoded(data)
    assert terminal.render([again]) == terminal.render([BODY])
    assert markdown.render([again]) == markdown.render([BODY])
    assert data[1]["lines"][0][0]["parts"][0][1]["text"] == "σ(z_f)"
    assert data[1]["lines"][0][0]["parts"][0][1]["mathml"].startswith("<math")


@pytest.mark.parametrize("data", [[{"kind": "Secret"}], [{"kind": "Para", "words": []}], [{}], [{"kind": "Para"}]])
def test_what_is_no_document_is_refused(data: list[object]) -> None:
    with pytest.raises(FileError, match="this is not a document of lstm-trace"):
        wire.decoded(data)


def test_a_tree_that_is_too_deep_is_refused() -> None:
    node: object = "x"
    for _ in range(100):
        node = [node]
    with pytest.raises(FileError, match="more than 60 levels deep"):
        wire.decoded([{"kind": "Para", "text": node}])


def shown(**change: object) -> dict[str, object]:
    return {"kind": "Num", "shown": {"kind": "Shown", "negative": False, "digits": "1", "exponent": None} | change}


def picture(inside: str) -> dict[str, object]:
    svg = f'<svg viewBox="0 0 1 1" data-body="0 1" width="1" height="1">{inside}</svg>'
    return {"kind": "Picture", "svg": svg, "title": "", "caption": "", "beside": None}


@pytest.mark.parametrize(
    "block",
    [
        shown(digits='#read("a")'), shown(digits="\\input{a}"), shown(digits="\x1b[2J"),
        shown(exponent="1"), shown(negative=0),
        {"kind": "Index", "of": shown(), "at": "\\input{a}"},
        {"kind": "Holds", "left": shown(), "right": shown(), "sign": "#a"},
        {"kind": "Blank", "name": "a", "width": 10**9},
    ],
)  # fmt: skip
def test_what_printers_set_as_it_is_is_no_markup(block: dict[str, object]) -> None:
    assert wire.decoded([{"kind": "Para", "text": [shown()]}])
    with pytest.raises(FileError, match="this is not a document of lstm-trace"):
        wire.decoded([{"kind": "Para", "text": [block]}])


@pytest.mark.parametrize(
    "block",
    [
        5, "a", shown(), {"kind": "Heading", "level": 7, "text": ["a"]},
        {"kind": "Heading", "level": "1", "text": ["a"]},
        {"kind": "Para", "text": [None]}, {"kind": "Para", "text": ["a"], "leads": 1}, {"kind": "Listing", "rows": [5]},
        {"kind": "Table", "head": [["a"]], "rows": [[["1"], ["2"]]]}, {"kind": "Table", "head": [], "rows": []},
        {"kind": "Derivation", "lines": [[{"kind": "Row", "left": [], "parts": [["#a", shown()]]}]]},
        {"kind": "Premises", "rows": [[[shown(), "\\a", shown()]]]},
        picture("<script>a</script>"), picture('<g onload="a"/>'), picture('<image href="http://a"/>'), picture("<a/>"),
        {**picture(""), "title": 5}, {"kind": "Premises", "rows": [[]]}, {"kind": "Chains", "chains": []},
        {"kind": "Para", "text": [{"kind": "Mat", "rows": []}]},
        {"kind": "Para", "text": [{"kind": "Dots", "way": "a"}]}, {**picture(""), "svg": "<svg/>"},
        {"kind": "Para", "text": [{"kind": "Sum", "signs": ["nan"], "terms": []}]},
    ],
)  # fmt: skip
def test_a_block_has_members_of_its_types(block: object) -> None:
    assert wire.decoded([picture("<g><text>ons = 1</text></g>")])
    with pytest.raises(FileError, match="this is not a document of lstm-trace"):
        wire.decoded([block])


def test_a_backquote_of_a_name_stays() -> None:
    texts = ["step 1 (‘`’)", "‘`’) and ‘`’", "that a`b explains"]
    assert [marked(text) for text in texts] == [(text,) for text in texts]
    assert marked("see `-o FILE.csv` or `sd`") == ("see ", Code("-o FILE.csv"), " or ", Code("sd"))


def test_small_type_has_as_much_more_room_as_its_letters_are_smaller() -> None:
    style = style_sheet("blocks.typ")
    full, small = (float(re.findall(r"size: ([\d.]+)pt", style[part])[0]) for part in ("document", "small"))
    assert full / small == layout.SMALL  # in LaTeX too, whose \small is 9 pt in an article of 10 pt
    assert report.SMALL is layout.SMALL
