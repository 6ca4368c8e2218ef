"""The tab Sequences: text coloured by a unit, a span that is brushed, and where else its units are active."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import pytest

from ...support import corpora
from ...tracking import planted
from ..contrast import HELPERS, TEXT
from .conftest import Opening, served
from .looks import faults, nameless
from .test_languages import MISFITS, WORDS

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

COUNTER = f"c_t[{planted.COUNTER}]"
TEXTS = planted.texts()
#: The sequence with one of the longest quotes, and the first and the last step in it.
LENGTH, SEQUENCE, FIRST = sorted(
    (len(quote[0]) - 1, k, quote.start()) for k, text in enumerate(TEXTS) for quote in re.finditer('"[^"]*"', text)
)[-5]
LAST = FIRST + LENGTH - 1
#: A folder whose name must be encoded in addresses.
STRANGE = "strange #1 & ü%2f"
AT = f"#sequences?states=quotes&unit={COUNTER}&above=0.5"
HERE = f"{AT}&sequence={SEQUENCE}"
ALL = f"{HERE}&span={FIRST}..{LAST}&match={COUNTER}&table=1"


@pytest.fixture(scope="module")
def folder(_needed: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("pyarrow")
    found = tmp_path_factory.mktemp("states")
    corpora.quotes(found / "quotes")
    corpora.strange(found / STRANGE)
    corpora.silent(found / "silent")
    corpora.long(found / "long")
    return found


@pytest.fixture(scope="module")
def states(folder: Path) -> Iterator[str]:
    """The address of a server with four corpora."""
    named = [("--states", str(folder / name)) for name in ("quotes", STRANGE, "silent", "long")]
    yield from served(folder, *(part for pair in named for part in pair))


@pytest.fixture
def shown(opened: Opening, states: str) -> Any:
    """Opens the tab, and waits for a text."""

    def show(hash: str = HERE, **more: Any) -> Page:
        page = opened(hash, at=states, **more)
        page.locator("#sequence-tokens .token").first.wait_for()
        page.locator(".corpus-top .contexts li").first.wait_for()
        return page

    return show


def tokens(page: Page) -> Locator:
    return page.locator("#sequence-tokens .token")


def chosen(page: Page) -> list[int]:
    return [
        int(one)
        for one in page.eval_on_selector_all("#sequence-tokens [data-chosen]", "all => all.map((one) => one.dataset.k)")
    ]


def settled(page: Page) -> None:
    """Wait until everything is there that was asked for."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.locator("#sequences :is([aria-busy=true], .waiting, .progress)").first.wait_for(state="detached")


def middle(place: Locator) -> tuple[float, float]:
    box = place.bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page: Page, first: int, last: int) -> None:
    page.mouse.move(*middle(tokens(page).nth(first)))
    page.mouse.down()
    page.mouse.move(*middle(tokens(page).nth((first + last) // 2)))
    page.mouse.move(*middle(tokens(page).nth(last)))
    page.mouse.up()
    page.locator("#active-title").wait_for()
    settled(page)


def units(page: Page) -> list[str]:
    return page.locator(".active-units code").all_inner_texts()


def test_the_text_has_the_colours_of_the_unit(shown: Any) -> None:
    page = shown()
    assert page.locator("#sequence-tokens").inner_text() == TEXTS[SEQUENCE]
    colours = tokens(page).evaluate_all("all => all.map((one) => getComputedStyle(one).backgroundColor)")
    strong = []
    for colour in colours:
        red, _, blue, *alpha = (float(one) for one in re.findall(r"[\d.]+", colour.removeprefix("color(srgb")))
        strong.append(blue > red and (alpha or [1.0])[0] > 0.5)
    assert strong == planted.inside(TEXTS[SEQUENCE])
    tokens(page).nth(FIRST + 1).hover()
    assert re.fullmatch(
        rf"t = {FIRST + 1}: “{TEXTS[SEQUENCE][FIRST + 1]}”, 0\.\d+", page.locator("#sequence-readout").inner_text()
    )
    assert page.locator(".ends").first.inner_text().split()[-1].startswith("0.9")
    page.locator("#states-unit").fill("1")
    page.get_by_role("heading", name="Contexts of c_t[1]").wait_for()
    assert "unit=c_t[1]" in page.evaluate("location.hash")


def test_a_brushed_span_leads_to_units_and_other_contexts(shown: Any) -> None:
    page = shown()
    drag(page, FIRST, LAST)
    assert chosen(page) == list(range(FIRST, LAST + 1))
    assert f"span={FIRST}..{LAST}" in page.evaluate("location.hash")
    assert page.locator("#active-title").inner_text() == f"Units of c_t active in steps {FIRST} to {LAST}"
    assert COUNTER in units(page)
    page.locator("#strict").check()
    settled(page)
    assert units(page) == [COUNTER]  # what begins and ends with the quotes
    page.locator("#find-matches").click()
    found = page.locator("#matches .contexts li")
    found.first.wait_for()
    for one in found.all():
        assert one.locator(".inside").first.inner_text() == '"'
        assert one.locator(".inside").count() >= LENGTH
    said = page.locator("#matches > p").first.inner_text()
    assert said.splitlines() == [
        f"Above 0.5: {COUNTER}",
        "The number of each is the mean of its values, at each step that of the unit nearest to the level.",
    ]
    places = page.locator("#matches .context-place").all_inner_texts()
    assert len(places) >= 4
    assert f"{SEQUENCE} t {FIRST}–{LAST}" not in places  # that is where it was looked for
    link = page.evaluate("location.href")
    place = found.first.locator(".context-place").inner_text()
    found.first.locator("a").click()
    page.locator("#sequence-title", has_text=f"Sequence {place.split()[0]}").wait_for()
    settled(page)
    text = TEXTS[int(place.split()[0])]
    assert text[chosen(page)[0]] == '"'
    page.go_back()
    page.locator("#sequence-title", has_text=f"Sequence {SEQUENCE}").wait_for()
    page.goto("about:blank")
    page.goto(link)
    found.first.wait_for()
    assert found.first.locator(".context-place").inner_text() == place
    assert chosen(page) == list(range(FIRST, LAST + 1))
    page.locator("#match-length").fill("1000")
    page.locator("#match-length").press("Enter")
    page.get_by_text("No other stretch of the corpus is like that.").wait_for()


def test_units_that_are_active_beside_a_span_as_well_are_counted(shown: Any) -> None:
    page = shown(f"{HERE}&span={FIRST + 1}..{LAST - 1}")
    page.locator(".active-units").wait_for()
    active = len(units(page))
    assert active
    page.locator("#strict").check()
    said = page.locator(".active").get_by_text("in the whole stretch, but just before or after it too")
    said.wait_for()
    assert re.match(rf"{active} units? (is|are) beyond the level", said.inner_text())
    assert "Move the level" not in page.locator(".active").inner_text()
    page.locator("#level").fill("5")
    page.get_by_text("No unit is beyond the level in the whole stretch. Move the level").wait_for()


def test_a_unit_that_is_not_there_stands_in_no_address(shown: Any) -> None:
    page = shown(f"{AT.replace(COUNTER, 'c_t[77]')}&sequence={SEQUENCE}")
    assert page.locator("#states-unit").input_value() == str(planted.UNITS - 1)
    settled(page)
    assert f"unit=c_t[{planted.UNITS - 1}]" in page.evaluate("location.hash")


def test_the_level_is_a_number_and_a_slider(shown: Any) -> None:
    page = shown(f"{HERE}&span={FIRST}..{LAST}")
    page.locator(".active-units").wait_for()
    page.locator("#level").fill("5")
    page.get_by_text("No unit is beyond the level").wait_for()
    assert "above=5" in page.evaluate("location.hash")
    page.locator("#level-slider").fill("0.2")
    page.locator(".active-units li").first.wait_for()
    page.locator("#level-side").select_option("below")
    settled(page)
    assert "below=-0.2" in page.evaluate("location.hash")
    assert all(one.startswith("−") for one in page.locator(".active-units .number").all_inner_texts())
    assert COUNTER not in units(page)
    page.get_by_role("button", name="Clear").click()
    page.locator("#active-title").wait_for(state="detached")
    assert chosen(page) == []


def test_all_units_are_measured_and_sorted(shown: Any) -> None:
    page = shown(f"{AT.replace(COUNTER, 'c_t[0]')}&sequence={SEQUENCE}")
    page.locator("#all-units summary").click()
    rows = page.locator("#all-units tbody tr")
    rows.first.wait_for()
    assert rows.first.locator("code").inner_text() == COUNTER  # sorted by r with `inside`
    assert '"' in rows.first.locator("td.left").inner_text()
    for width in (1280, 1025):  # all columns are seen
        page.set_viewport_size({"width": width, "height": 900})
        right = page.locator("#all-units .scroll").bounding_box()
        last = page.locator("#all-units thead th").last.bounding_box()
        assert right
        assert last
        assert last["x"] + last["width"] <= right["x"] + right["width"] <= width
        assert right["width"] > 0.9 * width  # other corpora have more and longer ones
    rows.first.get_by_role("button").click()
    page.get_by_role("heading", name=f"Contexts of {COUNTER}").wait_for()
    page.locator("#units-sort").select_option("unit")
    assert rows.locator("code").all_inner_texts() == [f"c_t[{k}]" for k in range(planted.UNITS)]


def test_everything_by_keys(shown: Any) -> None:
    page = shown(f"{AT}&sequence={SEQUENCE}")
    page.evaluate("addEventListener('pointerdown', () => { window.pointed = true; }, true)")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "sequence-tokens":
            break
    else:
        raise AssertionError("Tab never comes to the text")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    page.keyboard.press("Home")
    for _ in range(FIRST):
        page.keyboard.press("ArrowRight")
    spoken = page.locator(".sequence-panel [role=status]")
    assert spoken.inner_text().startswith(f't = {FIRST}: “"”, ')
    for _ in range(LAST - FIRST):
        page.keyboard.press("Shift+ArrowRight")
    page.locator("#active-title").wait_for()
    settled(page)
    assert chosen(page) == list(range(FIRST, LAST + 1))
    assert spoken.inner_text().endswith(f"Chosen: {FIRST} to {LAST}")
    page.keyboard.press("Shift+ArrowLeft")
    assert chosen(page) == list(range(FIRST, LAST))
    page.keyboard.press("Escape")
    page.locator("#active-title").wait_for(state="detached")
    page.keyboard.press("End")
    assert page.locator("[data-cursor]").get_attribute("data-k") == str(len(TEXTS[SEQUENCE]) - 1)
    page.keyboard.press("Enter")
    page.locator("#active-title").wait_for()
    assert not page.evaluate("window.pointed")


def test_lines_of_a_long_text_are_gone_through_up_and_down(shown: Any) -> None:
    longest = max(range(len(TEXTS)), key=lambda k: len(TEXTS[k]))
    page = shown(f"{AT}&sequence={longest}", width=390)
    place = lambda: int(page.locator("[data-cursor]").get_attribute("data-k"))  # noqa: E731
    page.locator("#sequence-tokens").focus()
    page.keyboard.press("ArrowRight")
    first = tokens(page).nth(0).bounding_box()
    page.keyboard.press("ArrowDown")
    below = tokens(page).nth(place()).bounding_box()
    assert below["y"] > first["y"]
    assert abs(below["x"] - first["x"]) < 20
    page.keyboard.press("ArrowUp")
    assert place() == 0


def test_sequences_are_opened_from_the_list_and_by_id(shown: Any) -> None:
    page = shown(AT)
    assert page.locator("#sequence-title").inner_text() == "Sequence 0"
    page.locator(".sequence-list a").nth(3).click()
    page.locator("#sequence-title", has_text="Sequence 3").wait_for()
    assert page.locator(".sequence-list [aria-current]").inner_text().startswith("3")
    page.get_by_role("button", name="Next sequence").click()
    page.locator("#sequence-title", has_text="Sequence 4").wait_for()
    page.get_by_role("button", name="Next", exact=True).click()
    page.get_by_text("26–50 of 60").wait_for()
    page.locator("#sequence-id").fill("59")
    page.keyboard.press("Enter")
    page.locator("#sequence-title", has_text="Sequence 59").wait_for()
    page.watched.expected.append("404")
    page.locator("#sequence-id").fill("nonsense")
    page.keyboard.press("Enter")
    page.get_by_text("quotes: there is no sequence 'nonsense'; the first is 0").wait_for()


def test_a_sequence_without_tokens_shows_its_steps(shown: Any) -> None:
    page = shown("#sequences?states=silent&unit=0/reverse/c_t[1]&sequence=3&span=6..7")
    assert page.locator("#sequence-tokens").inner_text() == "5 6 7 8"
    assert chosen(page) == [1, 2]
    tokens(page).nth(2).hover()
    assert re.fullmatch(r"t = 7: [−\d.]+", page.locator("#sequence-readout").inner_text())
    assert page.locator("#states-line").input_value() == "0/reverse/c_t"


def test_a_long_sequence_is_shown_in_windows(shown: Any) -> None:
    page = shown("#sequences?states=long&unit=c_t[0]&span=1500..1502")
    page.get_by_text("steps 1000–1999 of 2299").wait_for()
    assert chosen(page) == [500, 501, 502]
    page.get_by_role("button", name="Next", exact=True).click()
    page.get_by_text("steps 2000–2299 of 2299").wait_for()
    settled(page)
    assert tokens(page).count() == 300
    drag(page, 5, 8)
    assert page.locator("#active-title").inner_text() == "Units of c_t active in steps 2005 to 2008"
    assert page.get_by_text("steps 2000–2299 of 2299").is_visible()
    page.reload()
    page.get_by_text("steps 2000–2299 of 2299").wait_for()
    assert chosen(page) == [5, 6, 7, 8]
    page.get_by_role("button", name="Previous", exact=True).click()
    page.get_by_text("steps 1000–1999 of 2299").wait_for()
    tokens(page).nth(2).hover()  # an empty one has room as well
    assert page.locator("#sequence-readout").inner_text().startswith("t = 1002: “”, ")


def test_tokens_and_ids_are_texts_whatever_they_hold(shown: Any) -> None:
    page = shown(f"#sequences?states={quote(STRANGE)}&unit=c_t[0]")
    page.on("dialog", lambda dialog: pytest.fail("a token ran"))
    for id in corpora.HOSTILE:
        if not id.strip():
            continue  # cannot be typed
        page.locator("#sequence-id").fill(id)
        page.locator("#sequence-id").press("Enter")
        page.locator("#sequence-title").filter(has_text=id[:6]).wait_for()
        settled(page)
        assert page.locator(".fault").count() == 0, id
        assert unquote(page.evaluate("location.hash")).count(id)
    assert page.locator("#sequences :is(img, script)").count() == 0
    for one in ("#sequence-tokens", ".contexts .tokens"):  # words are set apart, everywhere
        later = page.locator(f"{one} .token + .token")
        assert set(later.evaluate_all("all => all.map((token) => token.previousSibling.data)")) == {" "}, one


def test_unknown_states_and_values_in_a_link(shown: Any) -> None:
    page = shown("#sequences?states=none&unit=z[99]&span=a..b&above=x&match=[&offset=-4&sort=q")
    page.locator("#no-such-states", has_text="This server has no states “none”. You see quotes instead.").wait_for()
    assert page.locator("#states-unit").input_value() == "0"
    page.locator("#no-such-states button").click()
    page.locator("#no-such-states").wait_for(state="detached")


def test_without_states_the_tab_says_how_to_begin(opened: Opening) -> None:
    page = opened("#sequences")
    page.get_by_text("lstm-trace serve --states states/").wait_for()
    assert page.get_by_text("lstm-trace corpus run model.npz --inputs data.parquet -o states/").is_visible()


@pytest.mark.parametrize("hash", [ALL, f"#sequences?states={quote(STRANGE)}", "#sequences?states=silent"])
def test_screen(shown: Any, hash: str) -> None:
    page = shown(hash)
    if "table" in hash:
        page.locator("#all-units tbody tr").first.wait_for()
        page.locator("#matches li").first.wait_for()
    found = nameless(page)
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found += [f"{width} {scheme}: {fault}" for fault in faults(page)]
    assert not found, "\n".join(found)


def test_text_can_be_read_on_the_strongest_colours(shown: Any) -> None:
    page = shown()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for side in ("above", "below"):
            ratio = page.evaluate(
                f"""(side) => {{{HELPERS} const one = document.querySelector("#sequence-tokens .token");
                one.style.backgroundColor = `var(--${{side}})`;
                return ratio(getComputedStyle(one).color, behind(one)); }}""",
                side,
            )
            assert ratio >= TEXT, (scheme, side)


@pytest.mark.parametrize("width", [390, 1280])
def test_every_text_fits(shown: Any, opened: Opening, width: int) -> None:
    misfits = {}
    page = shown(ALL, width=width)
    start = opened("#sequences", width=width)
    for language in sorted(WORDS):
        for one, there in ((page, "#all-units tbody tr"), (start, ".start")):
            hash = one.evaluate("location.hash").partition("&language")[0].partition("?language")[0]
            mark = "&" if "?" in hash else "?"
            one.evaluate("(hash) => { location.hash = hash; }", f"{hash}{mark}language={language}")
            one.locator(f"html[lang={language}]").wait_for(state="attached")
            one.locator(there).first.wait_for()
            settled(one)
            if found := one.evaluate(MISFITS):
                misfits[language, there] = found
    assert misfits == {}
