"""The tab Library: what a file is before it is kept, search, tags, deletion, and two ticks that compare."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import lstm_trace as lt
from lstm_trace.examples import text as example

from ..contrast import TEXT, measured
from .conftest import Opening
from .filling import files, kept

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


def row(page: Page, title: str) -> Locator:
    return page.locator(".items tbody:not(.examples) tr").filter(has=page.get_by_role("link", name=title, exact=True))


def titles(page: Page) -> list[str]:
    page.locator(".items[aria-busy=false]").wait_for()
    return page.locator(".items tbody:not(.examples) .item-title").all_inner_texts()


def test_upload_keep_edit_delete(opened: Opening, empty: str, tmp_path: Path) -> None:
    page = opened("#library", at=empty)
    page.get_by_role("heading", name="Nothing is stored yet").wait_for()
    good, bad = tmp_path / "steps.yaml", tmp_path / "<img src=x onerror=alert(1)>.yaml"
    good.write_text(example("three-steps"), encoding="utf-8")
    bad.write_text("cell: lstm\nweights: 5\n", encoding="utf-8")
    page.watched.expected.append(r"422 .*api/v1/inspections")  # type: ignore[attr-defined]
    page.locator("#upload").set_input_files([good, bad])

    first, second = (page.locator(".upload", has_text=name) for name in ("steps.yaml", "onerror"))
    first.get_by_role("button", name="Keep").wait_for()
    assert "T = 3, B = 1, I = 2, H = 2" in first.locator(".upload-text").inner_text()
    assert first.get_by_label("Title").input_value() == "Three steps of two units, with biases"
    second.locator(".fault").wait_for()
    assert second.locator("h3").inner_text().startswith("<img src=x onerror=alert(1)>.yaml")
    assert "weights" in second.locator(".fault").inner_text()
    assert titles(page) == []  # nothing is kept before it is wanted

    first.get_by_label("Tags").fill("days, weather,days")
    first.get_by_role("button", name="Keep").click()
    second.get_by_role("button", name="Dismiss").click()
    item = row(page, "Three steps of two units, with biases")
    item.wait_for()
    assert page.locator(".upload").count() == 0
    assert [tag.split()[-1] for tag in item.locator(".tag").all_inner_texts()] == ["days", "weather"]
    assert item.locator(".of-sizes").inner_text() == "T 3 · I 2 · H 2"

    item.get_by_role("button", name="Edit").press("Enter")
    page.locator(".edit").get_by_label("Title").fill("My days")
    page.keyboard.press("Enter")
    row(page, "My days").wait_for()
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Edit title and tags of My days"
    page.reload()
    row(page, "My days").get_by_role("button", name="Delete").press("Enter")
    dialog = page.get_by_role("dialog")
    assert dialog.get_by_role("heading").inner_text() == "Delete “My days”?"
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")
    assert titles(page) == ["My days"]
    page.keyboard.press("Enter")  # the focus is back on the button
    dialog.get_by_role("button", name="Delete it").press("Enter")
    page.get_by_role("heading", name="Nothing is stored yet").wait_for()
    page.wait_for_function("document.activeElement.textContent === 'Library'")
    page.reload()
    page.get_by_role("heading", name="Nothing is stored yet").wait_for()


def test_the_same_file_is_shown_to_be_there_already(opened: Opening, empty: str, tmp_path: Path) -> None:
    page = opened("#library", at=empty)
    file = tmp_path / "steps.yaml"
    file.write_text(example("three-steps"), encoding="utf-8")
    item = kept(empty, file, "My days", ["days"])
    page.locator("#upload").set_input_files(file)
    upload = page.locator(".upload")
    upload.get_by_label("Tags").fill("weather")
    upload.get_by_role("button", name="Keep").click()
    upload.locator(".good").wait_for()
    assert upload.locator(".good").inner_text() == "Already in the library: My days"
    row(page, "My days").locator(".tag", has_text="weather").wait_for()
    assert titles(page) == ["My days"]
    assert [tag.split()[-1] for tag in row(page, "My days").locator(".tag").all_inner_texts()] == ["days", "weather"]
    upload.get_by_role("button", name="Dismiss").click()
    upload.wait_for(state="detached")
    lt.client(empty).remove(item)


def test_the_same_run_is_said_to_be_there_already(opened: Opening, empty: str) -> None:
    page = opened("#bench?source=example:q22", at=empty)
    for said in ("Saved. See Library", "It is in the library already. See Library"):
        page.locator("#save summary").click()
        page.locator("#save button[type=submit]").click()
        page.locator("#save .good").wait_for()
        assert page.locator("#save .good").inner_text() == said
        page.reload()
    (item,) = lt.client(empty).library()
    lt.client(empty).remove(item["id"])


def test_dropped_files_are_discarded(opened: Opening, empty: str) -> None:
    page = opened("#library", at=empty)
    page.evaluate(
        """text => {
          const dataTransfer = new DataTransfer(), event = {bubbles: true, cancelable: true, dataTransfer};
          dataTransfer.items.add(new File([text], "dropped.yaml"));
          for (const kind of ["dragover", "drop"]) document.body.dispatchEvent(new DragEvent(kind, event)); }""",
        example("q22"),
    )
    page.locator(".upload").get_by_role("button", name="Discard").click()
    assert page.locator(".upload").count() == 0
    page.reload()
    page.get_by_role("heading", name="Nothing is stored yet").wait_for()


def test_search_kind_and_tag(opened: Opening, stored: dict[str, str]) -> None:
    page = opened("#library")
    assert titles(page) == ["Weights two", "Weights one", "After", "Before"]  # newest first
    page.get_by_placeholder("Search titles").fill("weights")
    page.wait_for_url(re.compile("search=weights"))
    assert titles(page) == ["Weights two", "Weights one"]
    page.get_by_placeholder("Search titles").fill("")
    page.wait_for_url(re.compile("#library$"))
    page.get_by_label("Kind").select_option("trace")
    page.wait_for_url(re.compile("kind=trace"))
    assert titles(page) == ["After", "Before"]
    row(page, "Before").get_by_role("button", name="week 12").click()
    page.wait_for_url(re.compile("tag=week"))
    assert titles(page) == ["Before"]
    page.reload()  # the address holds it
    assert titles(page) == ["Before"]
    page.get_by_role("button", name="show all tags").click()
    page.get_by_label("Kind").select_option("example")
    page.get_by_role("link", name="Question 19, the input gate").wait_for()
    assert page.locator(".example", has_text="A batch of three").inner_text().split("\t")[-3:-1] == [
        "lstm",
        "T 3 · B 3 · I 1 · H 1",
    ]
    assert titles(page) == []
    page.get_by_label("Kind").select_option("")
    page.get_by_placeholder("Search titles").fill("nothing of this name")
    page.get_by_text("Nothing in the library matches").wait_for()


def test_two_ticks_compare(opened: Opening, stored: dict[str, str]) -> None:
    page = opened("#library")
    for title in ("Before", "After"):
        row(page, title).get_by_role("checkbox").press("Space")
    assert page.get_by_text("A: Before · B: After").is_visible()
    assert page.get_by_label("Choose Weights one for comparison").is_disabled()
    page.get_by_role("button", name="Compare").press("Enter")
    page.wait_for_url(re.compile(f"#compare\\?a=item:{stored['Before']}&b=item:{stored['After']}"))
    page.get_by_role("heading", name="Different", exact=True).wait_for()


def test_times_in_the_zone_of_the_reader(opened: Opening, server: str, stored: dict[str, str]) -> None:
    page = opened("#library")
    time = row(page, "Before").locator("time")
    created = time.get_attribute("datetime") or ""
    hour = (int(created[11:13]) + 9) % 24  # Tokyo
    assert (
        f"{hour:02d}:{created[14:16]}" in time.inner_text()
        or f"{(hour - 1) % 12 + 1}:{created[14:16]}" in time.inner_text()
    )
    assert "GMT+9" in (time.get_attribute("title") or "") or "JST" in (time.get_attribute("title") or "")


def test_download_gives_the_file_back(opened: Opening, stored: dict[str, str], tmp_path: Path) -> None:
    page = opened("#library")
    with page.expect_download() as waiting:
        row(page, "Before").get_by_role("link", name="Download").click()
    assert waiting.value.suggested_filename == "before.json"
    other = files(tmp_path)["Before"]
    assert Path(waiting.value.path()).read_bytes() == other.read_bytes()


def test_opens_on_the_bench(opened: Opening, stored: dict[str, str]) -> None:
    page = opened("#library")
    page.get_by_role("link", name="Before", exact=True).click()
    page.wait_for_url(re.compile(f"#bench\\?source=item:{stored['Before']}"))
    page.locator("#bench svg").first.wait_for()


def test_a_file_that_is_too_large_is_not_sent(opened: Opening, empty: str, tmp_path: Path) -> None:
    page = opened("#library", at=empty)
    large = tmp_path / "large.safetensors"
    with large.open("wb") as file:
        file.truncate(65_000_000)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    page.locator("#upload").set_input_files(large)
    message = page.locator(".upload .fault")
    message.wait_for()
    said = message.inner_text().replace("\N{NO-BREAK SPACE}", " ")
    assert said.startswith("The file has 65 MB; this server takes at most 64 MB.")
    assert "POST" not in sent


@pytest.mark.parametrize("dark", [False, True])
def test_contrast(opened: Opening, stored: dict[str, str], dark: bool) -> None:
    page = opened("#library", dark=dark)
    row(page, "Before").get_by_role("button", name="Delete").click()
    selectors = "#library :is(h1, h2, p, th, td, a, button:enabled, label, span, time, code)"
    ratios = page.evaluate(measured(f"return texts({json.dumps(selectors)});"))
    assert len(ratios) > 100
    assert [one for one in ratios if one[0] < TEXT] == []


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True])
def test_nothing_runs_out_of_the_window(opened: Opening, stored: dict[str, str], width: int, dark: bool) -> None:
    page = opened("#library", width=width, dark=dark)
    assert len(titles(page)) == 4
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    first = row(page, "Before").bounding_box()
    assert first is not None
    assert (first["height"] > 100) == (width == 390)  # a card on a narrow screen


def test_a_report_has_the_title_of_the_item_or_one_that_is_typed(
    opened: Opening, stored: dict[str, str], tmp_path: Path
) -> None:
    page = opened(f"#bench?source=item:{stored['Before']}")
    page.locator("h1:text-is('Before')").wait_for()
    page.locator("#downloads > summary").click()

    def heading() -> str:
        with page.expect_download() as download:
            page.locator("#download-report-md").click()
        download.value.save_as(tmp_path / "report.md")
        return (tmp_path / "report.md").read_text(encoding="utf-8").splitlines()[0]

    assert heading() == "# Before"
    page.get_by_label("Title on the sheet").fill("Quiz 3")
    assert heading() == "# Quiz 3"
