"""What is wrong with the look of a page: faint text, text cut off or out of the window, a hyphen for a minus sign."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contrast import HELPERS, TEXT

if TYPE_CHECKING:
    from playwright.sync_api import Page

#: `wrong(least)`: sentences, one for each fault. A text of the picture stands on the last shape drawn below its middle.
_AUDIT = """
  const for_readers_alone = (e) => e && (getComputedStyle(e).clipPath === "inset(50%)" || for_readers_alone(e.parentElement));
  const shown = (e) => e.checkVisibility({ visibilityProperty: true, opacityProperty: true })
    && !e.closest("option, :disabled") && !for_readers_alone(e);
  const scrolls = (e, way) => ["auto", "scroll"].includes(getComputedStyle(e)[way]);
  const painted = (e) => !["none", "transparent", "rgba(0, 0, 0, 0)"].includes(getComputedStyle(e).fill);
  const below = (text) => {
    const box = text.getBoundingClientRect(), x = box.x + box.width / 2, y = box.y + box.height / 2;
    const shapes = [...text.ownerSVGElement.querySelectorAll("rect, circle, ellipse")].filter((one) => {
      const at = one.getBoundingClientRect();
      return painted(one) && at.left <= x && x <= at.right && at.top <= y && y <= at.bottom
        && text.compareDocumentPosition(one) & Node.DOCUMENT_POSITION_PRECEDING;
    });
    return shapes.length ? getComputedStyle(shapes.at(-1)).fill : behind(text);
  };
  const wrong = (least) => {
    const found = [], seen = new Set();
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth > width) found.push(`the page is ${document.documentElement.scrollWidth} wide`);
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walk.nextNode(); node; node = walk.nextNode()) {
      const e = node.parentElement, text = node.data.trim();
      if (!text || !shown(e)) continue;
      const said = `"${text.slice(0, 40)}" (${e.tagName} ${e.className.baseVal ?? e.className})`;
      const range = document.createRange();
      range.selectNodeContents(node);
      const box = range.getBoundingClientRect();
      if (!box.width || !box.height) continue;
      if (/(^|[^\\w.\\]/-])-[\\d.∞]/.test(text) && !e.closest("code, pre, textarea, .exact, .upload-text")) {
        found.push(`a hyphen for a minus sign: ${said}`);
      }
      const style = getComputedStyle(e);
      const drawn = e.ownerSVGElement !== null && e.ownerSVGElement !== undefined;
      const contrast = ratio(drawn ? style.fill : style.color, drawn ? below(e.closest("text")) : behind(e));
      if (contrast < least) found.push(`contrast ${contrast.toFixed(2)}: ${said}`);
      if (drawn || e.closest("math")) continue; // their boxes scroll as a whole
      let reachable = false;
      for (let at = e; at && at !== document.body; at = at.parentElement) {
        const frame = at.getBoundingClientRect(), { overflowX, overflowY } = getComputedStyle(at);
        if (scrolls(at, "overflowX")) reachable = true;
        if (overflowX === "hidden" && !reachable && (box.right > frame.right + 1 || box.left < frame.left - 1)) found.push(`cut off sideways: ${said}`);
        if (overflowY === "hidden" && box.bottom > frame.bottom + 3 && !seen.has(at)) { seen.add(at); found.push(`cut off below: ${said}`); }
      }
      if (!reachable && (box.left < -1 || box.right > width + 1)) found.push(`out of the window: ${said}`);
    }
    return found;
  };
"""  # noqa: E501


def faults(page: Page) -> list[str]:
    """What is wrong with what is on the page now."""
    script = f"(least) => {{{HELPERS}\n{_AUDIT}\nreturn wrong(least);}}"
    found: list[str] = page.evaluate(script, TEXT)
    return found


def nameless(page: Page) -> list[str]:
    """Controls that can be reached and have no name."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll("button, a, input, select, summary, textarea, [tabindex='0']")]
          .filter((one) => one.checkVisibility() && !(one.textContent.trim() || one.getAttribute("aria-label")
            || one.getAttribute("aria-labelledby") || one.labels?.length))
          .map((one) => one.outerHTML.slice(0, 200))"""
    )
    return found


#: Canvases are drawn again once their observer has told of another width, a frame or two later.
_REDRAWN = """() => new Promise((done) =>
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 100))))"""


def looked_at(page: Page) -> list[str]:
    """What is wrong, in each of four windows."""
    page.wait_for_load_state("networkidle")
    found = nameless(page)
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate(_REDRAWN)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found += [f"{width} {scheme}: {fault}" for fault in faults(page)]
    return found
