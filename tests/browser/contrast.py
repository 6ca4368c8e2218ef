"""Contrast as WCAG 2.2 defines it, measured in the page: scripts for `Browser.run`."""

from __future__ import annotations

#: Least contrast of text that may be small (1.4.3), and of lines (1.4.11).
TEXT, LINES = 4.5, 3.0

#: `ratio` of two colours, `behind`: the colour that an element stands on.
HELPERS = """
  const parse = (c) => c.match(/[\\d.]+/g).map((n, k) => Number(n) * (c.startsWith("color(srgb") && k < 3 ? 255 : 1));
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
  const ratio = (one, two) => {
    const [a, b] = [light(parse(one)), light(parse(two))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  };
  const behind = (e) => {
    for (let at = e; at; at = at.parentElement) {
      const c = getComputedStyle(at).backgroundColor;
      if (parse(c).length < 4 || parse(c)[3] > 0) return c;
    }
    return "rgb(255, 255, 255)";
  };
  const texts = (selectors) => [...document.querySelectorAll(selectors)].filter((e) => e.checkVisibility())
    .map((e) => [ratio(getComputedStyle(e).color, behind(e)), e.tagName]);
"""  # noqa: E501


def measured(script: str) -> str:
    """A script with the helpers; it returns pairs of a ratio and what has it, the smallest ratio first."""
    return f"(() => {{{HELPERS}\n{script}}})().sort((x, y) => x[0] - y[0])"
