"""Documents on the page: every kind of block as a person sees it, and names of strangers as the text that they are."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, get_args

import lstm_trace as lt
from lstm_trace.documents import blocks, wire
from lstm_trace.documents.blocks import (
    Body,
    Boxed,
    Chain,
    Chains,
    Code,
    Derivation,
    Heading,
    Items,
    Listing,
    Para,
    Picture,
    Premises,
    Row,
    Stacked,
    Table,
)
from lstm_trace.formulas.numbers import Style
from lstm_trace.formulas.tree import Blank, Call, Dots, Field, Mat, Num, Prod, Quot, Sum, Sym, Vec, number

from .conftest import Opening
from .filling import pair
from .looks import looked_at

if TYPE_CHECKING:
    from playwright.sync_api import Page

#: Prints a document on the page, below its other content, and nothing else that could be seen with it.
PRINT = """async ([blocks, language]) => {
  const { html, render } = await import("/static/vendor/standalone.module.js");
  const { Document } = await import("/static/shared/document.js");
  const place = document.createElement("section");
  place.id = "printed";
  document.querySelector("#main").append(place);
  document.querySelectorAll("#main > :not(#printed)").forEach((one) => { one.hidden = true; });
  render(html`<${Document} blocks=${blocks} under=${1} language=${language} />`, place);
}"""

DRAWN = lt.diff(*pair()).plot()
COMMA = Style(digits=3, comma=True)
HOSTILE = """<img src="/x" onerror="document.title = 'run'"><b>&amp;</b> "'"""
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20">%s<rect width="9" height="9"/></svg>'


def shown(value: float) -> Num:
    return Num(COMMA.show(value))


def printed(page: Page, *parts: blocks.Block, own: dict[str, Any] | None = None, language: str = "en") -> Any:
    data = json.loads(json.dumps(wire.encoded(Body(parts, own or {})), allow_nan=False))
    page.evaluate(PRINT, [data, language])
    return page.locator("#printed")


SUM = Sum((1, -1), (Prod(Sym("W_xf"), Sym("x_t")), number(0.5)))
TABLE = Table(
    (("line",), ("about ", Sym("h_t")), ("b − a",), ()),
    (
        ((Code("c_t"),), ("two words",), (shown(-0.25),), ("-0.5",)),
        (("h_t",), ("kept",), (shown(1.5e-12),), (Dots("down"),)),
        (("⋮",), (Sym("W_xi"),), (Num(Style().show(float("inf"))),), ("1.4e-17",)),
    ),
    1,
    frozenset({0, 1}),
)
EVERY = (
    Heading(1, ("Kinds of ", Code("a < b"))),
    Para(("The cell ", Sym("c_t"), " is ", Field("0/c_t[0]", "0.25"), " of ", Code("--steps"), "."), leads=True),
    Heading(2, ("Given",)),
    Premises(
        (((Sym("W_xi"), "=", Mat(((number(0.5), number(-1)),))), (Sym("b_i"), "=", Vec((shown(0.25), shown(-1))))),)
    ),
    Items((("one ", Sym("z_f")), ("b has -0.5 (-2 more), t-1",))),
    Heading(2, ("Differences",)),
    TABLE,
    Listing(("lstm-trace run a.json", "    --steps=2 # -1")),
    Stacked(((("a has ",), (Sym("h_t"), " = ", Prod(Sym("o_t"), Sym("c_t")))), (("b has ",), (Sym("c_t"),)))),
    Heading(3, ("Steps",)),
    Derivation(
        (
            (
                Row((Sym("f_t"),), (("=", Call("sigmoid", (Sym("z_f"),))), ("≈", number(-0.5)))),
                Row(("unit 1",), ((":", Quot(number(1.0), number(4.0))), ("=", Blank("0/f_t[1]", 6))), under=True),
            ),
        )
    ),
    Chains((Chain(("forget gate",), (Row((Sym("z_f"),), (("=", SUM), ("=", number(0.75)))),)), Chain((), ()))),
    Boxed((Para(("answer ", Sym("h_t"))), replace(TABLE, head=()), Para(("last",)))),
    Picture(DRAWN.svg, DRAWN.title, "What it shows", beside=replace(TABLE, head=())),
)


def test_every_kind_of_block(opened: Opening) -> None:
    assert {type(block) for block in EVERY} == set(get_args(blocks.Block))
    page = opened("#compare", width=1280)
    found = printed(page, *EVERY, language="de")
    assert found.locator(".document").get_attribute("lang") == "de"
    heading = found.get_by_role("heading")
    assert [(one.evaluate("e => e.tagName"), one.inner_text()) for one in heading.all()] == [
        ("H2", "Kinds of a < b"),
        ("H3", "Given"),
        ("H3", "Differences"),
        ("H4", "Steps"),
    ]
    para = found.locator("p.leads")
    assert para.inner_text().replace("\n", "").startswith("The cell ")
    assert para.locator("math msub").text_content() == "ct"
    assert para.locator("code").inner_text() == "--steps"
    assert found.get_by_role("textbox", name="0/c_t[0]").first.input_value() == "0.25"
    assert found.locator("li").all_inner_texts()[1] == "b has −0.5 (−2 more), t-1"

    premises = found.locator(".premises .item")
    assert premises.count() == 2
    assert premises.first.locator("mtd").all_text_contents() == ["0.5", "−1"]
    assert premises.last.locator("mtd").all_text_contents() == ["0,25", "−1,0"]

    table = found.get_by_role("table", name="Differences").first
    assert table.get_by_role("columnheader").all_inner_texts()[0] == "line"
    rows = [[cell.inner_text() for cell in row.locator("th, td").all()] for row in table.locator("tbody tr").all()]
    assert [[row[0], *row[2:]] for row in rows] == [
        ["c_t", "−0,25", "−0.5"],
        ["h_t", "1,5×10−12", "⋮"],
        ["⋮", "∞", "1.4e−17"],
    ]
    assert table.get_by_role("rowheader").all_inner_texts() == ["c_t", "h_t", "⋮"]
    assert rows[0][1] == "two words"
    align = (
        table.locator("tbody tr")
        .first.locator("th, td")
        .evaluate_all("all => all.map(e => getComputedStyle(e).textAlign)")
    )
    assert align == ["left", "left", "right", "right"]
    assert table.locator("thead th").nth(1).evaluate("e => getComputedStyle(e).textAlign") == "left"

    assert found.locator("pre").inner_text() == "lstm-trace run a.json\n    --steps=2 # -1"
    stacked = found.get_by_role("table", name="Differences").nth(1)
    assert stacked.get_by_role("rowheader").all_inner_texts() == ["a has", "b has"]

    first, under = found.locator(".derivation .row").all()
    assert "=σ(zf)≈−0.5" in "".join(str(first.text_content()).split()).replace("\u2061", "")
    assert under.locator(".what").inner_text().strip() == "unit 1:"
    assert under.locator("math[displaystyle=true] mfrac").is_visible()
    assert under.locator(".blank").is_visible()
    chain = found.locator(".chain").first
    assert chain.locator("p").inner_text() == "forget gate"
    assert chain.locator("math").count() > 3  # a long sum may go on in the next line
    assert "".join(str(chain.locator(".worked").text_content()).split()).endswith("−0.5=0.75")

    boxed = found.locator(".boxed > div")
    assert boxed.count() == 2  # a table stands below its name
    assert boxed.first.locator("table").is_visible()
    figure = found.locator("figure")
    assert figure.locator("svg image.heat").first.is_visible()
    assert figure.locator("svg text.title").count() == 0  # a heading has it, and the caption is text
    assert figure.locator("figcaption").inner_text() == "What it shows"
    assert found.locator(".beside table").is_visible()
    assert found.locator("math").evaluate_all("all => all.every(e => e.namespaceURI.endsWith('MathML'))")
    assert looked_at(page) == []


def test_a_formula_that_is_no_markup_is_its_text(opened: Opening) -> None:
    found = printed(opened("#compare"), Derivation(((Row(("c",), (("=", Prod(Sym("o_t"), Field("c[0]", "-2"))),)),),)))
    assert "".join(found.inner_text().split()) == "c=o_t⊙−2"


def with_names(one: Any) -> Any:
    """A tree in which every text that anybody may choose is hostile."""
    if isinstance(one, str):
        return HOSTILE
    if isinstance(one, tuple):
        return tuple(map(with_names, one))
    if isinstance(one, Num | Dots | Blank) or not is_dataclass(one) or isinstance(one, type):
        return one
    kept = ("op", "signs", "file", "drawing")  # what the library itself chooses
    changed = {part.name: with_names(getattr(one, part.name)) for part in fields(one) if part.name not in kept}
    if isinstance(one, Sym | Field):
        return replace(one, name=HOSTILE)
    return replace(one, **{name: value for name, value in changed.items() if value != getattr(one, name)})


def test_names_of_strangers_stay_text(opened: Opening) -> None:
    page = opened("#compare", width=390)
    title = page.title()
    found = printed(page, *map(with_names, EVERY))
    assert found.locator("img, b, script").count() == 0
    assert found.get_by_role("heading").first.inner_text() == HOSTILE * 2
    assert found.locator("p.leads code").inner_text() == HOSTILE
    assert found.locator("p.leads input").get_attribute("name") == HOSTILE
    assert found.locator("pre").inner_text() == f"{HOSTILE}\n{HOSTILE}"
    assert found.locator("caption").first.text_content() == HOSTILE
    assert found.locator("figcaption").inner_text() == HOSTILE
    assert found.locator("tbody th").first.inner_text() == HOSTILE
    formulas = found.locator(".premises .item").first
    assert formulas.locator("mo").first.text_content() == HOSTILE  # the sign between the two
    assert HOSTILE.split()[0] in str(formulas.text_content())
    assert page.title() == title


def test_what_runs_or_loads_is_taken_out_of_markup(opened: Opening) -> None:
    page = opened("#compare")
    page.watched.expected.append("Content Security Policy")  # type: ignore[attr-defined]  # it is said of what is read
    bad = "<script>document.title = 1</script><image href='https://example.org/x.png'/><a onclick='1' href='data:,'/>"
    found = printed(page, Picture(lambda: SVG % bad, "A map", ""))
    assert found.locator("svg rect").count() == 1
    inner = found.locator("svg").evaluate("e => e.outerHTML")
    assert not any(one in inner for one in ("script", "image", "onclick", "example.org"))


def test_a_wide_table_scrolls_in_its_frame(opened: Opening) -> None:
    page = opened("#compare", width=390)
    head = tuple((f"column {n}",) for n in range(30))
    row = (("W_xi @ x_t",), *((number(n / 7),) for n in range(29)))
    found = printed(page, Heading(2, ("Wide",)), Table(head, (row,)), Para((f"0/forward/{'long_name' * 12}",)))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    frame = found.get_by_role("group", name="Wide")
    assert frame.evaluate("e => e.scrollWidth > 2 * e.clientWidth")
    frame.focus()
    page.keyboard.press("End")
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("() => document.querySelector('#printed .scroll').scrollLeft > 100")
