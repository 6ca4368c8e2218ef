"""The text coloured by a unit: colours of every part, in the picture, the page and the terminal."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import LstmTraceError, MissingError, OptionError
from lstm_trace.plot.coloured_text import symmetric, tokens
from lstm_trace.plot.figure import Figure

from ...support.pictures import check, lstm, views
from ...support.table_cases import stacked

SVG = "{http://www.w3.org/2000/svg}"
WORDS = ("one", "two", "three", "four", "five", "six")


def parts(figure: Figure) -> list[tuple[str, float, str]]:
    """Of every part its text, its strength with its sign, and what it says; NaN for one without a colour."""
    found = []
    for group in ElementTree.fromstring(figure.svg()).iter(f"{SVG}g"):  # noqa: S314 - our own
        rect, text, title = (group.find(f"{SVG}{tag}") for tag in ("rect", "text", "title"))
        if rect is not None and text is not None and title is not None:
            sign = {"above": 1.0, "below": -1.0}.get(str(rect.get("class")), np.nan)
            found.append((str(text.text), sign * float(rect.get("fill-opacity", "nan")), str(title.text)))
    return found


def page_parts(figure: Figure) -> list[tuple[str, str, str]]:
    """The same in the page: text, class and strength in per cent."""
    body = figure.html().partition("<figure>")[2]
    spans = re.findall(r'<span class="(\w+)"(?: style="--a:([\d.]+)%")? title="[^"]*">(.*?)</span>', body, re.S)
    return [(text, kind, share) for kind, share, text in spans]


@pytest.mark.parametrize("line", ["h_t", "c_t", "f_t"])
def test_the_colour_of_every_part_is_its_value(line: str) -> None:
    trace = lstm(6, 3, labels=WORDS)
    figure = trace.plot.text(unit=[0, 2], lines=line)
    drawn = parts(figure)
    assert [text for text, _, _ in drawn] == list(WORDS) * 2
    for j, some in ((0, drawn[:6]), (2, drawn[6:])):
        values = trace[line][:, 0, j]
        assert (figure.data[f"{line}[{j}]"].to_numpy() == values).all()
        reach = 1.0 if line == "f_t" else symmetric(values).high
        assert [share for _, share, _ in some] == pytest.approx(np.clip(values / reach, -1, 1), abs=6e-4)
        assert [float(said.partition(": ")[2].replace("−", "-")) for *_, said in some] == pytest.approx(
            values, abs=5e-5
        )
    assert figure.data["token"].tolist() == list(WORDS)
    in_page = page_parts(figure)
    assert [text for text, *_ in in_page] == list(WORDS) * 2
    signed = [float(share) / 100 * (1 if kind == "above" else -1) for _, kind, share in in_page]
    assert signed == pytest.approx([share for _, share, _ in drawn], abs=2e-3)
    check(figure.to_vega())
    for (view, values), j in zip(list(views(figure.to_vega()))[::2], (0, 2), strict=True):
        assert [row["value"] for row in values] == trace[line][:, 0, j].tolist(), view
        assert [row["label"] for row in values] == list(WORDS)


def test_without_a_unit_the_one_that_changes_most() -> None:
    trace = lstm(9, 7)
    figure = trace.plot.text()
    best = int(np.ptp(trace["h_t"][:, 0], axis=0).argmax())
    assert list(figure.data.columns) == [f"h_t[{best}]"]
    assert figure.caption == "Shown is the one of 7 units whose values change most."
    assert [text for text, *_ in parts(figure)] == [str(t) for t in range(9)]  # no labels: the numbers of the steps
    both = stacked(lengths=[4, 2]).plot.text(batch=1)
    assert len(both.data.columns) == 1
    assert both.data.columns[0].count("/") == 2


def test_padding_and_what_is_no_number() -> None:
    figure = lstm(6, 2, batch=2, lengths=[4, 6]).plot.text(0)
    assert [np.isnan(share) for _, share, _ in parts(figure)] == [False] * 4 + [True] * 2
    assert parts(figure)[5][2] == "t = 5: padding"
    assert figure.caption.endswith("Grey: padding.")
    assert [kind for _, kind, _ in page_parts(figure)][4:] == ["padded"] * 2
    cell = {"equations": "s_t = 1 * x_t\ncarry: s_prev <- s_t\noutput: s_t"}
    broken = lt.run({}, [[1.0], [np.nan], [-2.0], [np.inf]], cell=cell).plot.text()
    assert [share for _, share, _ in parts(broken)] == pytest.approx([0.5, np.nan, -1, np.nan], nan_ok=True)
    assert parts(broken)[1][2] == "t = 1: not a finite number"
    assert broken.caption == "In a dashed box: not a finite number."
    assert broken.terminal is not None
    assert broken.terminal(60, False).splitlines() == [
        "s_t, unit 0", "−2 █▓▒░ ░▒▓█ 2", "  0 1 2 3", "+ ▒ #   #", "−     █", "",
        "# below: not a finite number.",
    ]  # fmt: skip
    assert broken.terminal(60, True).endswith("Reversed: not a finite number.\n")
    assert figure.terminal is not None
    assert figure.terminal(60, True).endswith("Grey: padding.\n")
    assert figure.terminal(90, False).endswith("x below: padding.\n")
    unseen = lstm(6, 2, batch=2, lengths=[4, 6], labels=(*"abcd", "", "")).plot.text(0)
    assert unseen.terminal is not None
    assert "padding" not in unseen.terminal(60, False)


def test_a_terminal_with_colours() -> None:
    figure = lstm(6, 3, labels=WORDS).plot.text(unit=1)
    assert figure.terminal is not None
    plain = re.sub(r"\x1b\[[\d;]*m", "", figure.terminal(80, True))
    assert " ".join(WORDS) in plain
    values = figure.data["h_t[1]"].to_numpy() / symmetric(figure.data["h_t[1]"].to_numpy()).high
    for word, share in zip(WORDS, values, strict=True):
        found = re.search(rf"\x1b\[48;5;(\d+);38;5;16m{word}\x1b\[0m", figure.terminal(80, True))
        assert (found is None) == (round(abs(share) * 4) == 0)
        if found:
            assert (int(found[1]) in (189, 153, 111, 69)) == (share > 0)
    narrow = figure.terminal(12, False).splitlines()
    assert max(map(len, narrow[2:])) <= 12  # below the name and the scale


def test_the_page_has_the_text_itself() -> None:
    text = "a <b>&\nc  d"
    trace = lstm(len(text), 2, labels=tuple(text))
    figure = trace.plot.text(0)
    assert "<b>" not in figure.html().partition("<body>")[2]
    spans = [found for found, *_ in page_parts(figure)]
    assert "".join(spans).replace("<i>↵</i>", "") == "a &lt;b&gt;&amp;\nc  d"  # letters: nothing is set between them
    drawn = [found for found, *_ in parts(figure)]
    assert drawn[text.index("\n")] == "↵"
    grounds = ElementTree.fromstring(figure.svg()).iter(f"{SVG}rect")  # noqa: S314 - our own
    rows = {ground.get("y") for ground in grounds if str(ground.get("height")) == "21.0"}
    assert len(rows) == 2  # the line break is one


def test_steps_that_are_marks_have_a_ground_of_their_own_in_the_page() -> None:
    labels = ("\u0e35", "ท", "\u0e35", "\u0e48", "ก", " ", "\u0301", "b")
    trace = lstm(len(labels), 2, labels=labels)
    figure = trace.plot.text(0, "c_t")
    body = figure.html().partition('<p class="tokens">')[2].partition("</p>")[0]
    assert re.sub("<[^>]*>", "", body) == "".join(labels)  # selected and copied, it is the text
    clusters = re.findall(r'<span class="joined" style="--n:(\d)">([^<]*)((?:<b [^>]*></b>)+)</span>', body)
    assert [(n, text) for n, text, _ in clusters] == [("1", "\u0e35"), ("3", "ท\u0e35\u0e48"), ("1", "\u0301")]
    shares = re.findall(r'<b class="(\w+)" style="--a:([\d.]+)%;--k:(\d)" title="([^"]*)">', clusters[1][2])
    values = trace["c_t"][1:4, 0, 0] / symmetric(trace["c_t"][:, 0, 0]).high
    assert [float(a) / 100 * (1 if kind == "above" else -1) for kind, a, *_ in shares] == pytest.approx(
        values, abs=1e-3
    )
    assert [k for _, _, k, _ in shares] == ["0", "1", "2"]
    assert [said.partition(":")[0] for *_, said in shares] == ["ท, t = 1", "◌\u0e35, t = 2", "◌\u0e48, t = 3"]
    assert tokens(["a", *["\u0301"] * 20], range(21)).clusters()[0] == list(range(8))  # a file may have thousands


def test_labels_of_megabytes_make_no_page_of_megabytes() -> None:
    trace = lstm(3, 2)
    labels = ["a" * 2_000_000, "b" * 400, " c" * 1_000_000]
    figure = replace(trace, header=replace(trace.header, step_labels=(tuple(labels),))).plot.text(unit=0)
    short = lt.with_tokens(trace, ["a", "b", "c"]).plot.text(unit=0)
    assert len(figure.html()) < len(short.html()) + 5000
    assert ">" + "a" * 399 + "…</span>" in figure.html()
    assert ">" + "b" * 400 + "</span>" in figure.html()


def test_what_has_no_shape_is_seen_on_the_page() -> None:
    page = lt.with_tokens(lstm(3, 2), ["a\u200b", "\ufeff", " b\x1b"]).plot.text(unit=0).html()
    assert not re.search("[\u200b\ufeff\x1b\ufffd]", page)
    for label in ("a\\u200b", "\\ufeff", " b\\x1b"):
        assert f">{label}</span>" in page


def test_words_are_set_apart_and_letters_are_not() -> None:
    assert tokens(["the", "cat"], [0, 1]).spaced
    assert not tokens(["the", " cat"], [0, 1]).spaced
    assert tokens(["14", "", "7"], [0, 1, 2]).spaced
    assert not tokens(["1", "4", "7"], [0, 1, 2]).spaced
    assert not tokens(["ต", "สิ", "แ"], [0, 1, 2]).spaced
    assert not tokens(["中", "文"], [0, 1]).spaced
    assert tokens([")", "(", "mat", "on", ")", "house", "é", "cat", "a", "to", "a"], range(11)).spaced
    assert not tokens(["<s>", *"emma", "</s>"], range(6)).spaced  # what stands for no text does not count
    assert tokens(["no", "\n", "end"], range(3)).spaced
    assert not tokens(["the", " ", "cat"], range(3)).spaced
    assert tokens(["the", "cat"] * 30 + [" "], range(61)).spaced  # one stray space
    assert tokens(["a", "b"], range(2), True).spaced
    assert tokens([], [5, 6]).labels == ("5", "6")
    assert [list(line) for line in tokens(list("ab\ncd"), range(5)).lines([1.0] * 5, 2.0)] == [[0, 1], [2], [3, 4]]


def test_names_from_files_do_not_command_the_terminal() -> None:
    trace = lstm(3, 2, labels=("\x1b[2J", "\x9b", "ok"))
    figure = trace.plot.text(0)
    assert figure.terminal is not None
    assert "\x1b" not in figure.terminal(80, False)
    assert "\x9b" not in figure.terminal(80, True)
    ElementTree.fromstring(figure.svg())  # noqa: S314 - our own


def test_colours_that_end_early_are_told() -> None:
    cell = {"equations": "s_t = 1 * x_t\ncarry: s_prev <- s_t\noutput: s_t"}
    x = np.linspace(-1, 1, 400)[:, None]
    x[3] = 70.0
    figure = lt.run({}, x, cell=cell).plot.text()
    assert re.fullmatch(r"Colours of s_t\[0\] end at ±0\.99\d*: 0\.\d+\u00a0% .* up to a size of 70\.", figure.caption)
    assert "≥ 0.99" in figure.svg()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"unit": 3}, MissingError, "no unit 3 to draw: there are 0 to 2"),
        ({"unit": "x"}, OptionError, "unit: expected a whole number, or a list of them"),
        ({"lines": "q_t"}, MissingError, "no line 'q_t'"),
        ({"steps": 9}, MissingError, "9"),
    ],
)
def test_what_is_not_there(options: dict[str, Any], error: type[LstmTraceError], message: str) -> None:
    with pytest.raises(error, match=message):
        lstm().plot.text(**options)


def test_a_text_that_is_too_long() -> None:
    trace = lstm(2_100, 10)
    with pytest.raises(OptionError, match=r"2,100 steps of 10 units are too many for a text \(20,000 parts at most\)"):
        trace.plot.text(unit=range(10))
    assert len(trace.plot.text(unit=[1, 2], steps=slice(0, 500)).data) == 500
