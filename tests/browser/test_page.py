"""The page in a browser: nothing is fetched, nothing complains, folding and the slider work, also without scripts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.examples import text as example

from .chromium import PROGRAM, Browser
from .contrast import TEXT, measured

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no Chromium here")

_RATIOS = measured("""
  const found = texts("h1,h2,h3,p,li,th,td,mn,mi,a,summary,figcaption,code,label,.what,footer p");
  const svg = document.querySelector("svg.cell");
  for (const e of svg.querySelectorAll("text")) {
    const box = e.parentElement.querySelector("rect");
    const below = e.classList.contains("value") || !box || getComputedStyle(box).fill === "rgba(0, 0, 0, 0)"
      ? getComputedStyle(svg).getPropertyValue("--paper") : getComputedStyle(box).fill;
    const probe = document.createElement("i"); probe.style.color = below; document.body.append(probe);
    found.push([ratio(getComputedStyle(e).fill, getComputedStyle(probe).color), "svg " + e.getAttribute("class")]);
    probe.remove();
  }
  return found;
""")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("pages")
    for name in ("q22", "three-steps"):
        source = found / f"{name}.yaml"
        source.write_text(example(name), encoding="utf-8")
        (found / f"{name}.html").write_text(lt.open_source(source).report("html"), encoding="utf-8")
    labelled = lt.run(found / "three-steps.yaml", tokens=["sun", " rain", "<i>"])
    (found / "labelled.html").write_text(labelled.report("html"), encoding="utf-8")
    several = lt.sheet([lt.open_source(found / f"{name}.yaml") for name in ("three-steps", "q22", "three-steps")])
    (found / "sheet.html").write_text(several.report("html"), encoding="utf-8")
    rng = np.random.default_rng(1)
    weights = {
        f"{layer}/{way}/{name}": rng.normal(size=shape) / 2
        for layer in (0, 1)
        for way in ("forward", "reverse")
        for g in "ifco"
        for name, shape in ((f"W_x{g}", (6, 12 if layer else 3)), (f"W_h{g}", (6, 6)))
    }
    trace = lt.run(weights, rng.normal(size=(50, 3)), name="Two layers")
    (found / "stack.html").write_text(trace.report("html"), encoding="utf-8")
    small = {f"W_{side}{g}": rng.normal(size=(2, n)).round(1) for side, n in (("x", 3), ("h", 2)) for g in "ifco"}
    (found / "long.html").write_text(lt.run(small, rng.normal(size=(30, 3))).report("html"), encoding="utf-8")
    return found


@pytest.mark.parametrize("name", ["q22", "three-steps", "stack", "long"])
@pytest.mark.parametrize("scripts", [True, False])
def test_quiet_and_alone(driver: Browser, folder: Path, name: str, scripts: bool) -> None:
    driver.requests.clear()
    driver.complaints.clear()
    for width in (1280, 390):
        driver.open(folder / f"{name}.html", width, scripts=scripts)
        if scripts:
            assert driver.run("document.documentElement.scrollWidth") <= width
    fetched = {url for url in driver.requests if not url.startswith("data:")}  # the images are in the page
    assert {url.split("/")[-1] for url in fetched} == {f"{name}.html"}
    assert driver.complaints == []


def test_a_request_would_be_refused(driver: Browser, folder: Path) -> None:
    """The policy holds: a script that was not written by us does not run, and an image is not fetched."""
    text = (folder / "q22.html").read_text(encoding="utf-8")
    evil = "<script>document.title = 'taken'</script><img src='http://127.0.0.1:9/x.png'></body>"
    (folder / "evil.html").write_text(text.replace("</body>", evil), encoding="utf-8")
    driver.requests.clear()
    driver.complaints.clear()
    driver.open(folder / "evil.html")
    assert driver.run("document.title").startswith("Question 22")
    assert len(driver.complaints) >= 2
    driver.complaints.clear()


def test_folding_without_scripts(driver: Browser, folder: Path) -> None:
    driver.open(folder / "three-steps.html", scripts=False)
    driver.call("Emulation.setScriptExecutionDisabled", value=False)
    assert driver.run("[...document.querySelectorAll('.step')].map(e => e.open)") == [True, False, False]
    assert driver.run("getComputedStyle(document.querySelector('.bar')).display") == "none"
    assert driver.run("document.querySelector('.step .still').checkVisibility()")


def test_slider(driver: Browser, folder: Path) -> None:
    driver.open(folder / "three-steps.html")
    shown = "[...document.querySelectorAll('.step')].map(e => !e.hidden && e.open)"
    assert driver.run(shown) == [True, False, False]
    value = "document.querySelector('.live text[data-line=c_t]').textContent"
    before = driver.run(value)
    driver.run("document.querySelector('[name=t]').focus()")
    for kind in ("keyDown", "keyUp"):
        driver.call("Input.dispatchKeyEvent", type=kind, key="ArrowRight", code="ArrowRight", windowsVirtualKeyCode=39)
    assert driver.run(shown) == [False, True, False]
    assert driver.run(value) != before
    assert driver.run("document.querySelector('.bar output').textContent") == "2"  # counted from 1, as the example says
    driver.run("document.querySelector('[name=all]').click()")
    assert driver.run("[...document.querySelectorAll('.step')].some(e => e.hidden)") is False


def test_the_slider_tells_the_label_of_the_step(driver: Browser, folder: Path) -> None:
    driver.open(folder / "labelled.html")
    told = "document.querySelector('.bar output').textContent"
    assert driver.run(told) == "1 sun"
    driver.run("document.querySelector('[name=t]').focus()")
    for expected in ("2 ␣rain", "3 <i>"):
        for kind in ("keyDown", "keyUp"):
            driver.call(
                "Input.dispatchKeyEvent", type=kind, key="ArrowRight", code="ArrowRight", windowsVirtualKeyCode=39
            )
        assert driver.run(told) == expected
    assert driver.run("document.querySelector('[name=t]').getAttribute('aria-valuetext')") == "t = 3 <i>"
    assert driver.run("document.querySelector('.live figcaption').textContent") == "Step t = 3 (‘<i>’)"
    assert not driver.complaints


def test_each_of_several_has_its_own_slider(driver: Browser, folder: Path) -> None:
    driver.open(folder / "sheet.html")
    shown = "[...document.querySelectorAll('#p{} .step')].map(e => !e.hidden && e.open)"
    driver.run("document.querySelector('#p2 [name=t]').focus()")
    for kind in ("keyDown", "keyUp"):
        driver.call("Input.dispatchKeyEvent", type=kind, key="ArrowRight", code="ArrowRight", windowsVirtualKeyCode=39)
    assert driver.run(shown.format(0)) == [True, False, False]
    assert driver.run(shown.format(2)) == [False, True, False]
    link = "document.querySelectorAll('#p0 table')[1].querySelectorAll('tbody tr')[2].querySelector('a')"
    driver.run(f"{link}.click()")
    assert driver.run(shown.format(0)) == [False, False, True]
    assert driver.run(shown.format(2)) == [False, True, False]
    assert driver.run("document.querySelectorAll('.live').length") == 3
    assert not driver.complaints


def test_a_value_tells_its_equation(driver: Browser, folder: Path) -> None:
    driver.open(folder / "q22.html")
    driver.run("document.querySelector('.under a').focus()")
    assert driver.run("!document.querySelector('#pop').hidden")
    driver.hover("#s3 .line:nth-child(4) .under a")  # sigma(-0.4): the number was made by z_i
    told = driver.run("document.querySelector('#pop').textContent")
    assert told.startswith("0/forward/0/0/z_i[0]")
    assert "−0.4" in told
    assert driver.run("document.querySelectorAll('main mn.hit, main a.hit').length") >= 2
    driver.hover(".live g.tip[data-spot='c_t'] text")
    assert "f_t ⊙ c_{t-1} + i_t ⊙ c̃_t" in driver.run("document.querySelector('#pop').textContent")
    edges = driver.run("[...document.querySelectorAll('.edge.hit')].map(e => e.dataset.from)")
    assert sorted(edges) == ["f_t * c_prev", "i_t * c_tilde"]


def test_the_steps_that_are_worked_in_full_are_linked(driver: Browser, folder: Path) -> None:
    """Only the first of them is shown at first; a link also leads back after the slider was moved."""
    driver.open(folder / "long.html", 1280)
    shown = "[...document.querySelectorAll('.screen .step')].filter((e) => !e.hidden).map((e) => [e.dataset.t, e.open])"
    links = driver.run("[...document.querySelectorAll('.jumps a')].map((e) => e.textContent)")
    steps = [link.removeprefix("Step t = ") for link in links]
    assert len(steps) == 3
    assert driver.run(shown) == [[steps[0], True]]
    for k in (2, 1, 1):
        driver.run(f"document.querySelectorAll('.jumps a')[{k}].click()")
        assert driver.run(shown) == [[steps[k], True]]
        assert driver.run("document.querySelector('.bar output').textContent") == steps[k]
        top = "document.querySelector('.screen .step:not([hidden])').getBoundingClientRect().top"
        assert 0 <= driver.run(top) < 800, "in sight"
        driver.run("{ const t = document.querySelector('[name=t]'); t.value = 0; "
                   "t.dispatchEvent(new Event('input', {bubbles: true})); }")  # fmt: skip
        assert driver.run(shown) == [["0", True]]


def test_a_link_opens_the_step_that_it_leads_to(driver: Browser, folder: Path) -> None:
    driver.open(folder / "three-steps.html")
    driver.run("document.querySelectorAll('table')[1].querySelectorAll('tbody tr')[2].querySelector('a').click()")
    shown = driver.run("[...document.querySelectorAll('.step')].map(e => !e.hidden && e.open)")
    assert shown == [False, False, True]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", ["q22", "three-steps"])
def test_contrast(driver: Browser, folder: Path, name: str, dark: bool) -> None:
    driver.open(folder / f"{name}.html", dark=dark)
    found = driver.run(_RATIOS)
    assert len(found) > 100
    assert found[0][0] >= TEXT, found[:5]


def test_paper(driver: Browser, folder: Path, tmp_path: Path) -> None:
    """A page whose detail was asked for is printed as it is, whatever is folded."""
    whole = lt.open_source(folder / "three-steps.yaml").report("html", detail="scalar")
    (tmp_path / "page.html").write_text(whole, encoding="utf-8")
    driver.open(tmp_path / "page.html", dark=True)
    driver.call("Emulation.setEmulatedMedia", media="print")
    assert driver.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert driver.run("[...document.querySelectorAll('.step')].every(e => e.lastElementChild.checkVisibility())")
    driver.paper(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
