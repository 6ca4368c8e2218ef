"""What is probably wrong in a text that could not be read, and how it is typed: for messages only.

A parser says what it expected and where it gave up; the mistake is often in another line, and in other words. Nothing
here parses: the text around the parser's mark is compared with what beginners write, the rows of mistyped.toml.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING

from .packaged import packaged

if TYPE_CHECKING:
    import yaml

#: The minus of word processors, and the dash that they make of a hyphen.
MINUS = str.maketrans("−–", "--")
NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
#: Names of weights, by which a row that belongs under `weights:` is known.
WEIGHT = re.compile(r"(?:\d+/\w+/)?(?:[WUVRKbw]|gamma|beta)(?:_\w+)?")
_KEY = re.compile(r" *(?:- +)?([\w./]+) *:(?:\s|$)")
#: How much of a text is looked at.
_SEEN = 2000


def number_meant(text: str) -> str:
    """What is probably meant by a text in place of a number, as the end of a message; empty if nothing is likely.

    >>> number_meant("1/2"), number_meant("0,5"), number_meant("0.1"), number_meant("a")
    ('; write 0.5', '; is this a decimal comma? write 0.5', '; remove the quotes', '')
    >>> number_meant("1.0 0.5; -0.2 0.3")
    '; put brackets around numbers and commas between them: [[1.0, 0.5], [-0.2, 0.3]]'
    """
    given = text.translate(MINUS)
    text = given.strip()
    if len(text) > 1000:
        return ""
    if text != given.strip(" \t\n") and re.fullmatch(NUMBER, text):
        return f"; a blank of another kind, not to be broken, stands beside it: type {text}"
    part = re.fullmatch(r"([-+]?\d{1,9}(?:\.\d{1,9})?) ?(?:/ ?([1-9]\d{0,8})|%)", text)
    if part:
        return f"; write {float(part[1]) / int(part[2] or 100):g}"
    # a semicolon without points stands between decimal commas
    rows = [re.split(r"[\s,]+", row.strip()) for row in re.sub(r"[.](?= )|[][()]", "", text).split(";")]
    apart = not re.search(r"-\[|^[-+]?\d+,\d+$", text) and (";" not in text or re.search(r"\.\d", text))
    numbers = [*chain(*rows)] if apart else []
    if len(numbers) > 1 and all(re.fullmatch(NUMBER, one) for one in numbers):
        matrix = len(rows) > 1 and len(rows[0]) > 1
        written = ", ".join(f"[{', '.join(row)}]" if matrix else ", ".join(row) for row in rows)
        return f"; put brackets around numbers and commas between them: [{written}]"
    advice = _likely("number", {"right": text})[0]
    return f"; {advice}" if advice else ""


def _likely(kind: str, texts: dict[str, str], fields: dict[str, str] | None = None, whole: str = "") -> tuple[str, str]:
    """The advice of the first slip that is found in the texts, and the name of the row to point to."""
    for slip in packaged("base/mistyped.toml")[kind]:
        found = [re.search(slip[name], text[:_SEEN]) for name, text in texts.items() if name in slip]
        if all(found) and not ("without" in slip and re.search(slip["without"], whole, re.M)):
            groups = {name: text or "" for one in found if one for name, text in one.groupdict().items()}
            shown = {name: excerpt(text) for name, text in {**texts, **(fields or {}), **groups}.items()}
            return slip["advice"].format(**shown | {"problem": texts.get("problem", "")}), slip.get("line", "row")
    return "", ""


def in_yaml(text: str, error: yaml.MarkedYAMLError) -> str:
    """The line of YAML that is probably wrong, and what to do there; with the parser's words if nothing is likely."""
    rows, mark = text.split("\n"), error.problem_mark or error.context_mark
    context, problem = error.context or "", error.problem or str(error)
    problem = f"{context}, {problem}" if problem.startswith("but ") else problem
    if mark is None:
        return problem
    if "too large" in problem:
        return f"line {mark.line + 1}: {problem}"
    begin = error.context_mark or mark
    at, first = (min(place.line, len(rows) - 1) for place in (mark, begin))
    written = [n for n, row in enumerate(rows[:at]) if row.strip() and row.lstrip()[0] != "#"]
    above = next((n for n in reversed(written) if n < first or "':'" not in problem), at)
    texts = {"context": context, "problem": problem, "row": rows[at], "first": rows[first]}
    texts |= {"left": rows[at][: mark.column], "right": rows[at][mark.column :], "above": rows[above] * (above != at)}
    keys = [found[1] for row in rows[: (first if "flow" in context else at) + 1] if (found := _KEY.match(row))]
    name, _, value = rows[at].strip().partition(":")
    quote = "'" if '"' in value else '"'
    fields = {"of": f" in `{keys[-1]}`" if keys else "", "quoted": f"{name}: {quote}{value.strip()}{quote}"}
    fields |= {"sign": text[begin.index : begin.index + 1], "rest": text[begin.index + 1 : begin.index + 80]}
    advice, line = _likely("yaml", texts, fields, text)
    if not advice:
        advice, line = _indented(rows, [*written, at])
    if not advice:
        advice = f"`{excerpt(rows[at].lstrip())}` cannot be read ({problem}); check brackets, quotes, blanks, colons"
    return f"line {({'first': first, 'above': above}.get(line, at)) + 1}: {advice}"


def _indented(rows: list[str], written: list[int]) -> tuple[str, str]:
    """What is wrong with the indentation of the last of the written rows, or of the one above it; as of `_likely`."""
    blanks = {n: len(rows[n]) - len(rows[n].lstrip(" ")) for n in written}
    names = {n: found[1] if (found := _KEY.match(rows[n])) else excerpt(rows[n].lstrip()) for n in written}
    if len(written) < 2 or blanks[written[-1]] == blanks[written[-2]]:
        return "", ""
    *_, last, at = written
    line, where, weight = "row", "above", WEIGHT.fullmatch
    if blanks[at] < blanks[last] and not blanks[at] and last == written[0]:
        return f"`{names[last]}` is indented; the keys of a problem begin at the margin", "above"
    if blanks[at] > blanks[last] and weight(names[at]):
        like = next((n for n in reversed(written[:-2]) if blanks[n] == blanks[at]), None)
        if weight(names[last]) and (like is not None or not blanks[last]):  # the row above it is out of line
            line, where, at, last = "above", "below" if like is None else "above", last, at if like is None else like
        elif "weights" not in names.values():
            return f"`{names[at]}` is indented, and belongs to no key: the line `weights:` is missing above", "row"
    said = f"`{names[at]}` is indented by {_count(blanks[at])}, `{names[last]}` {where} it by {_count(blanks[last])}"
    both = ": both are keys under `weights:`" * bool(weight(names[at]) and weight(names[last]))
    return f"{said}{both}; keys that belong together are indented alike", line


def _count(blanks: int) -> str:
    return f"{blanks} blank{'s' * (blanks != 1)}"


def excerpt(text: str) -> str:
    """The first line of a text, shortened."""
    text = text.split("\n")[0].rstrip()
    return text if len(text) <= 60 else f"{text[:59]}…"


def in_text(text: str, at: int, said: str) -> str:
    """What a parser of JSON or TOML says of the character `at`, with its line and the likely cause."""
    advice, _ = _likely("text", {"problem": said, "left": text[max(at - 50, 0) : at], "right": text[at : at + 200]})
    return f"line {text.count(chr(10), 0, at) + 1}: {said[:1].lower()}{said[1:]}{f'; {advice}' if advice else ''}"


def in_toml(text: str, said: str) -> str:
    """What Python's parser says of a TOML text, with the likely cause if it names the place."""
    said, _, place = said.partition(" (at ")
    if not (numbers := re.fullmatch(r"line (\d+), column (\d+)\)", place)):
        return f"{said} (at {place}" if place else said
    before = sum(len(row) + 1 for row in text.split("\n")[: int(numbers[1]) - 1])
    return in_text(text, before + int(numbers[2]) - 1, said)


def key_meant(key: str) -> str:
    """What is probably meant by an unknown key of a problem; empty if nothing is likely."""
    if WEIGHT.fullmatch(key):
        return "a weight belongs under `weights:`, indented like the others there: put blanks before it"
    return _likely("key", {"right": key})[0]
