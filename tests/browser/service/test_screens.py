"""Every screen, wide and narrow, light and dark: nothing sticks out, is cut off or is hard to read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .bench_page import cell, settled, typed
from .conftest import Opening
from .looks import faults, looked_at, nameless

if TYPE_CHECKING:
    from playwright.sync_api import Page

BENCH = "#bench?source=example:three-steps"
STEP = "0/forward/1/0"


def unfolded(page: Page) -> None:
    page.locator("details:not(.menu)").evaluate_all("all => all.forEach((one) => { one.open = true; })")


def wrong_equation(page: Page) -> None:
    page.watched.expected.append("422")  # type: ignore[attr-defined]
    page.locator("#equations summary").click()
    page.locator("#equations-text").fill("f_t = sigmod(W_xf @ x_t)")
    page.locator("#equations-fault").wait_for()


def wrong_number(page: Page) -> None:
    typed(page, "0/forward/W_xf[0,0]", "1.2.3")
    page.locator(".grid [role=alert]").wait_for()


def no_such_source(page: Page) -> None:
    page.watched.expected.append("404|422")  # type: ignore[attr-defined]
    page.evaluate("location.hash = '#bench?source=example:nothing'")
    page.locator("#source-fault").wait_for()


def pinned(page: Page) -> None:
    page.click("#pin")
    typed(page, "0/forward/W_xf[0,0]", "-1.25")
    settled(page)
    page.locator(".delta:not(.none)").first.wait_for()


def opened_menu(name: str) -> Callable[[Page], None]:
    return lambda page: page.locator(f"#{name} > summary").click()


def blank(page: Page) -> None:
    page.locator("#source").select_option("blank")
    page.locator("#blank-open").wait_for()


def deleting(page: Page) -> None:
    page.get_by_role("button", name="Delete", exact=False).first.click()
    page.get_by_role("dialog").wait_for()


def uploading(page: Page) -> None:
    page.watched.expected.append("422")  # type: ignore[attr-defined]
    folder = Path(__file__).parents[3] / "lstm_trace" / "examples"
    good = folder / "three-steps.yaml"
    bad: Any = {
        "name": f"{'a very long name ' * 6}.yaml",
        "mimeType": "text/plain",
        "buffer": b"cell: lstm\nweights: 5\n",
    }
    page.locator("#upload").set_input_files([good])
    page.locator(".upload-text").wait_for()
    page.locator("#upload").set_input_files([bad])
    page.locator(".upload .fault").wait_for()


def nothing(page: Page) -> None:
    """The screen is there when it is opened."""


#: A name, the address, what is waited for, and what is done then.
SCREENS: list[tuple[str, str, str, Callable[[Page], None]]] = [
    ("an example", BENCH, "#value", nothing),
    ("a readout, all unfolded", "#bench?source=example:readout", "#value", unfolded),
    ("a batch", "#bench?source=example:batch", "#value", nothing),
    ("settings", BENCH, "#value", opened_menu("settings")),
    ("downloads", BENCH, "#value", opened_menu("downloads")),
    ("saving", BENCH, "#value", opened_menu("save")),
    ("a blank problem", BENCH, "#value", blank),
    ("equations", BENCH, "#value", opened_menu("equations")),
    ("a wrong equation", BENCH, "#value", wrong_equation),
    ("a wrong number", BENCH, "#value", wrong_number),
    ("no such source", BENCH, "#value", no_such_source),
    ("a weight", f"{BENCH}&at=0/forward/W_hf[0,1]", "#value", nothing),
    ("a product", f"{BENCH}&at={STEP}/W_hc @ h_prev[1]", "#chain", nothing),
    ("an input", f"{BENCH}&at=1/0/x_t[1]", "#value", nothing),
    ("pinned", BENCH, "#value", pinned),
    ("in German", f"{BENCH}&language=de&at={STEP}/z_f[1]", "#chain", nothing),
    ("all units", f"{BENCH}&plot=states", "#pictures .drawn svg", nothing),
    ("saturated gates", f"{BENCH}&plot=saturation", "#pictures .drawn svg", nothing),
    ("a text", f"{BENCH}&plot=text&language=fr", "#pictures .drawn svg", nothing),
    ("a contribution", f"{BENCH}&plot=contribution", "#pictures .drawn svg", nothing),
    ("held", f"{BENCH}&hold={STEP.rpartition('/')[0]}/0/c_t[0]=0.5&at={STEP}/c_t[0]", "#held-now", nothing),
    ("nothing compared", "#compare", "#compare h1, #compare h2", nothing),
    ("compared", "#compare?a=item:{Before}&b=item:{After}", ".split-table tfoot", unfolded),
    ("the library", "#library", ".items tbody:not(.examples) tr", nothing),
    ("a deletion", "#library", ".items tbody:not(.examples) tr", deleting),
]


@pytest.mark.parametrize(("at", "there", "act"), [one[1:] for one in SCREENS], ids=[one[0] for one in SCREENS])
def test_screen(opened: Opening, stored: dict[str, str], at: str, there: str, act: Callable[[Page], None]) -> None:
    page = opened(at.format(**stored) if "{" in at else at)
    page.locator(there).first.wait_for()
    act(page)
    found = looked_at(page)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("act", [nothing, uploading])
def test_empty_library(opened: Opening, empty: str, act: Callable[[Page], None]) -> None:
    page = opened("#library", at=empty)
    page.get_by_role("heading", name="Nothing is stored yet").wait_for()
    act(page)
    found = looked_at(page)
    assert not found, "\n".join(found)


def test_a_fault_is_found(opened: Opening) -> None:
    """The look of a page that is wrong in each way."""
    page = opened(BENCH)
    page.locator("#value").wait_for()
    cell(page, "0/forward/W_xf[0,0]").wait_for()
    page.evaluate(
        """() => {
          const made = (text, style) => { const p = document.createElement("p"); p.textContent = text; Object.assign(p.style, style); document.querySelector("#main").append(p); };
          made("faint", { color: "rgb(200, 200, 200)" });
          made("-0.5", {});
          made("much too long for its box", { width: "4rem", overflow: "hidden", whiteSpace: "nowrap" });
          made("wide", { position: "absolute", left: "2000px" });
          document.querySelector("#main").append(document.createElement("button"));
        }"""  # noqa: E501
    )
    text = "\n".join(faults(page))
    for expected in (
        "contrast 1.",
        'hyphen for a minus sign: "-0.5"',
        'cut off sideways: "much',
        "the page is 2",
        'window: "wide"',
    ):
        assert expected in text
    assert nameless(page) == ["<button></button>"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("at", "act"), [(BENCH, opened_menu("save")), ("#library", nothing)], ids=["bench", "library"])
def test_what_is_under_the_pointer_can_be_read(
    opened: Opening, stored: dict[str, str], at: str, act: Callable[[Page], None], scheme: str
) -> None:
    page = opened(at, dark=scheme == "dark")
    page.wait_for_load_state("networkidle")
    act(page)
    looks: set[str] = set()
    for one in page.locator("button:enabled:visible, .button:visible, nav a:visible").all():
        if (look := str(one.evaluate("e => [e.tagName, e.className, e.ariaPressed].join()"))) in looks:
            continue  # another one that looks like it was pointed at
        looks.add(look)
        one.hover()
        assert not [fault for fault in faults(page) if "contrast" in fault], look
    assert any("main" in look for look in looks)
