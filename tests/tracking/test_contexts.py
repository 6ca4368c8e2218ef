"""Where units are high, low or on together: against loops over every step; and how the text is shown."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from lstm_trace.base.display import cells
from lstm_trace.base.remark import Remark
from lstm_trace.corpus.rows import StateLayout
from lstm_trace.errors import MissingError, OptionError
from lstm_trace.languages.strings import words
from lstm_trace.tracking import Context, Contexts
from lstm_trace.tracking.contexts import Hit, around, level, match, select, top

from .parts_in_memory import BLOCKS, StatesInMemory, cut, sequences

#: c_t of four units, as those of one line.
FOUR = BLOCKS[1]._replace(width=4)


class Four(StatesInMemory):
    """States of one line with four units."""

    layout = StateLayout((FOUR,))


def four(seed: int, count: int, steps: float = 0.0) -> pd.DataFrame:
    """The sequences, with values in so many steps of size, so that some are equal."""
    frame = sequences(seed, count, broken=0.05).rename(columns={"f_t_0": "c_t_2", "f_t_1": "c_t_3"})
    for name in FOUR.columns if steps else ():
        frame[name] = (np.round(frame[name] / steps) * steps).astype(np.float32)
    return frame


def states_of(frame: pd.DataFrame, seed: int = 0, parts: int = 3) -> Any:
    return Four(cut(frame, seed, parts))


def rows_by_sequence(frame: pd.DataFrame) -> list[tuple[int, list[dict[str, Any]]]]:
    return [(int(id_), rows.to_dict("records")) for id_, rows in frame.groupby("seq_id", sort=False)]


def check_around(context: Context, rows: list[dict[str, Any]], k: int, before: int, after: int) -> None:
    """Whether the text begins and ends where it should, of a stretch from row k of its sequence on."""
    kept = rows[max(k - before, 0) : k + context.length + after]
    assert (context.t, context.first) == (rows[k]["t"], kept[0]["t"])
    assert context.tokens == tuple(row["token"] for row in kept)


@pytest.mark.few(0)
@given(
    st.integers(0, 10**6), st.integers(1, 15), st.integers(1, 4), st.integers(1, 8), st.booleans(), st.integers(0, 4)
)
@settings(max_examples=60)
def test_top_is_the_best_step_of_the_best_sequences(
    seed: int, count: int, parts: int, n: int, lowest: bool, around: int
) -> None:
    frame, sign = four(seed, count, 0.5), -1 if lowest else 1
    best = []
    for id_, rows in rows_by_sequence(frame):
        of = [(sign * row["c_t_1"], -k) for k, row in enumerate(rows) if np.isfinite(row["c_t_1"])]
        if of:
            value, k = max(of)
            best.append((-value, len(best), id_, rows, -k))
    best.sort(key=lambda one: one[:2])
    found = top(states_of(frame, seed, parts), "c_t[1]", n, lowest, around, 1)
    assert len(found) == min(n, len(best))
    for context, (value, _, id_, rows, k) in zip(found, best, strict=False):
        assert (context.sequence, context.value, context.length) == (id_, -sign * value, 1)
        check_around(context, rows, k, around, 1)
        np.testing.assert_array_equal(context.values, [row["c_t_1"] for row in rows[max(k - around, 0) : k + 2]])


@pytest.mark.few(0)
@given(
    st.integers(0, 10**6), st.integers(1, 15), st.integers(1, 4), st.sets(st.integers(0, 3), min_size=1, max_size=3),
    st.sampled_from([(None, None), (-1.0, None), (None, 0.5), (-1.5, 1.5)]), st.integers(1, 3),
    st.sampled_from([None, 3]), st.booleans(), st.integers(1, 30),
)  # fmt: skip
@settings(max_examples=100)
def test_match_is_every_longest_stretch_with_all_units_on(
    seed: int, count: int, parts: int, units: set[int], ends: tuple[float | None, float | None], least: int,
    most: int | None, exact: bool, n: int,
) -> None:  # fmt: skip
    frame = four(seed, count)
    above, below = (0.3, None) if ends == (None, None) else ends

    def on(row: dict[str, Any], unit: int) -> bool:
        value = row[f"c_t_{unit}"]
        return (above is None or value > above) and (below is None or value < below)

    wanted = []
    for id_, rows in rows_by_sequence(frame):
        k = 0
        while k < len(rows):
            stop = k
            while stop < len(rows) and all(on(rows[stop], unit) for unit in units):
                stop += 1
            if stop - k >= least and stop - k <= (most or 99):
                others = sum(all(on(row, u) for row in rows[k:stop]) for u in range(4) if u not in units)
                wanted.append((others if exact else 0, k - stop, len(wanted), id_, rows, k))
            k = max(stop, k + 1)
    wanted.sort(key=lambda one: one[:3])
    states = states_of(frame, seed, parts)
    found = match(states, sorted(units), "c_t", *ends, least, most, n, exact, 2, 1)
    assert len(found) == min(n, len(wanted))
    for context, (others, length, _, id_, rows, k) in zip(found, wanted, strict=False):
        assert (context.sequence, context.length, context.others) == (id_, -length, others if exact else None)
        check_around(context, rows, k, 2, 1)
        nearest = max if above is None else min
        inside = [nearest(row[f"c_t_{unit}"] for unit in units) for row in rows[k : k - length]]
        assert context.value == pytest.approx(np.mean(inside), rel=1e-12)
        np.testing.assert_array_equal(context.values[context.t - context.first :][: context.length], inside)
    if not exact:
        assert {name for part in states.all for name in part.read} == {f"c_t_{unit}" for unit in units}


@given(st.integers(0, 10**6), st.integers(1, 10), st.data(), st.booleans())
def test_select_is_every_unit_that_is_on_in_the_span(
    seed: int, count: int, data: st.DataObject, exclusive: bool
) -> None:
    frame = four(seed, count)
    id_, rows = data.draw(st.sampled_from(rows_by_sequence(frame)))
    first = data.draw(st.integers(0, len(rows) - 1))
    last = data.draw(st.integers(first, len(rows) - 1))
    wanted = []
    for unit in range(4):
        on = [row[f"c_t_{unit}"] > 0.1 for row in rows]
        beside = [on[k] for k in (first - 1, last + 1) if 0 <= k < len(rows)]
        if all(on[first : last + 1]) and not (exclusive and any(beside)):
            wanted.append(unit)
    t = rows[0]["t"]
    assert select(states_of(frame, seed), id_, t + first, t + last, "c_t", 0.1, None, exclusive) == wanted


def test_what_is_wrong_is_said(states: Any) -> None:
    one = states_of(four(0, 5))

    def matched(units: list[int], least: int = 1, most: int | None = None) -> Any:
        return match(one, units, "c_t", None, None, least, most, 5, False, 0, 0)

    for call, error, said in (
        (lambda: matched([0, 4]), MissingError, "the units 0 to 3; found 0, 4"),
        (lambda: matched([]), MissingError, "found none"),
        (lambda: matched([0], 0), OptionError, "min_length is at least 1; found 0"),
        (lambda: matched([0], 3, 2), OptionError, "max_length is at least 3; found 2"),
        (lambda: top(one, "c_t[0]", 0, False, 0, 0), OptionError, "n is at least 1; found 0"),
        (
            lambda: select(one, 3, 4, 5, "c_t", 0, None, False),
            MissingError,
            "has the steps 5 to 12; found 4 to 5",
        ),
        (lambda: level(float("nan"), None), OptionError, "a level is a finite number; found above=nan"),
        (lambda: states.match([0]), OptionError, "'c_t' may be any of 0/forward/c_t, 0/reverse/c_t"),
        (lambda: states.top("h_t[9]"), OptionError, "may be any of"),
        (lambda: states.select(1, 0, 1, "1/forward/c_t"), MissingError, "there is no sequence 1"),
    ):
        with pytest.raises(error, match=said):
            call()


def test_states_find_sequences_and_read_what_they_need(states: Any, sequences: Any) -> None:
    id_ = next(id_ for id_, one in sequences.items() if len(one["x"]) == 12)
    for name in (id_, str(id_)):
        part, rows = states.rows_of(name)
        assert part.tokens[rows] == sequences[id_]["tokens"]
    frame = states.unit("1/reverse/c_t[2]")
    values = frame[frame["seq_id"] == id_]["c_t[2]"]
    at = states.top("1/reverse/c_t[2]", n=30)
    assert {one.sequence: one.value for one in at}[id_] == values.max()
    on = values.to_numpy()[3:6] > 0
    assert (2 in states.select(id_, 3, 5, "1/reverse/c_t", above=0.0)) == on.all()
    stretches = states.match([2], "1/reverse/c_t", above=-9.0, n=30, before=0, after=0)
    assert {one.sequence: one.length for one in stretches} == {k: len(one["x"]) for k, one in sequences.items()}


def test_of_a_stretch_that_is_long_the_text_ends_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lstm_trace.tracking.contexts.LONGEST", 3)
    one = states_of(four(0, 12), parts=1)
    found = match(one, [0], "c_t", -99.0, None, 5, None, 1, False, 0, 9)[0]
    assert found.length >= 5
    assert (len(found.tokens), len(found.values)) == (3, 3)
    assert found.text == f"‹{''.join(found.tokens)}›"


NOTHING = Contexts(Remark("contexts.on.above", {"units": "c_t[3]", "above": "9"}), ())
SHOWN = Contexts(
    Remark("contexts.at.highest", {"unit": "0/forward/c_t[3]"}),
    (
        Context(17, 5, 0.75, 3, ("<b>", "\n", '"', "\x1b[2J"), np.array([-0.75, 0.0, 0.75, np.nan])),
        Context("a\x1bb", 8, 0.5, 8, ("x", "y"), np.array([0.375, 0.5]), 2, 1),
    ),
)


def test_a_terminal_shows_marks_or_colours() -> None:
    assert SHOWN.terminal(words(), 50, False).splitlines() == [
        "0/forward/c_t[3], highest value of a sequence",
        "# below: not a finite number.",
        "−0.75 █▓▒░ ░▒▓█ 0.75",
        "",
        "sequence 17, t = 5: 0.75",
        "  <b>↵",
        "− ███",
        '  "\\x1b[2J',
        "  ^",
        "+ █#######",
        "",
        "sequence a\\x1bb, t = 8–9: 0.5, 1 other unit",
        "  xy",
        "  ^^",
        "+ ▒▓",
    ]
    coloured = SHOWN.terminal(words(), 50, True)
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured).splitlines()[5:7] == ["<b>↵", '"\\x1b[2J']
    assert '\x1b[1;4;48;5;69;38;5;16m"\x1b[0m' in coloured  # the step itself is underlined
    assert coloured.count("\x1b[1;4") == 3
    assert NOTHING.terminal(words()) == "c_t[3] above 9\nnothing found\n"
    assert str(SHOWN.report("text", width=50)) == SHOWN.terminal(words(), 50, False)


def long(count: int, parts: int, letters: int = 1) -> Contexts:
    """Contexts with the step in the middle of so many parts."""
    told = ["w" * letters] * parts
    told[parts // 2] = "M"
    return replace(SHOWN, found=(Context(1, parts // 2, 0.5, 0, tuple(told), np.full(parts, 0.5)),) * count)


def test_a_table_and_a_picture_have_what_is_around_the_step() -> None:
    found = long(2, 2001, 22)
    assert [len(row) < 1000 and "‹M›" in row for row in found.report().splitlines()[-2:]] == [True, True]
    assert len(found.to_frame()["context"][0]) > 25_000  # a file has all
    svg = found.plot().svg()
    assert svg.count('class="token"') == 400  # the second text is only in the table
    assert svg.count('class="inside"') == 1
    assert ">M<" in svg
    assert "1 more text is in the table." in svg


@pytest.mark.parametrize(("found", "drawn"), [(long(20, 41), 20), (long(40, 41), 20), (long(20, 200), 6)])
def test_a_picture_fits_on_a_page(found: Contexts, drawn: int) -> None:
    figure = found.plot()
    assert len(figure.panels) == drawn
    assert 900 < sum(panel.tall + panel.above + panel.below for panel in figure.panels) <= 1050
    rest = len(found) - drawn
    assert figure.caption == (f"{rest} more texts are in the table." if rest else "")


def test_what_is_not_finite_is_explained() -> None:
    assert "Gestrichelt umrahmt: keine endliche Zahl." in SHOWN.plot("de").caption
    assert "Invertiert: keine endliche Zahl." in SHOWN.terminal(words("de"), 40, True)
    assert "finite" not in long(1, 3).terminal(words()) + long(1, 3).plot().caption


@pytest.mark.parametrize("language", ["de", "zh"])
def test_a_narrow_terminal_is_wide_enough(language: str) -> None:
    notes = (Remark("contexts.mean.nearest"),)
    shown = replace(SHOWN, notes=notes).terminal(words(language), 24, False)
    assert max(map(cells, shown.splitlines())) <= 24


def test_a_page_has_the_text_and_its_values() -> None:
    page = SHOWN.plot().html()
    assert "<title>0/forward/c_t[3], highest value of a sequence</title>" in page
    assert "<b>" not in page.replace('<b class="two">', "")
    assert (
        '<span class="above inside" style="--a:100.0%" title="t = 5: 0.75">&quot;</span>' in page
        or '<span class="above inside" style="--a:100.0%" title="t = 5: 0.75">"</span>' in page
    )
    assert page.count(' inside"') == 3  # and no token around
    assert "sequence a\\x1bb, t = 8–9: 0.5, 1 other unit" in page
    assert "\x1b" not in page
    assert "nothing found" in NOTHING.report("html")
    arabic = replace(SHOWN, found=(Context(1, 0, 0.5, 0, ("مرحبا", "1"), np.array([0.5, 0.25])),))
    assert "\\u200e" not in arabic.report()  # the sign that ends its direction stays one
    gate = replace(SHOWN, found=SHOWN.found[1:], range="gate")
    assert '<span class="ends">0 <b class="one"></b> 1</span>' in gate.plot().html()


def test_a_frame_has_a_row_for_each() -> None:
    frame = SHOWN.to_frame()
    assert frame["context"].tolist() == ['<b>↵‹"›\\x1b[2J', "‹xy›"]
    assert frame["others"].isna().tolist() == [True, False]
    assert frame[["seq_id", "t", "length", "value"]].values.tolist() == [[17, 5, 1, 0.75], ["a\x1bb", 8, 2, 0.5]]
    assert "others" not in replace(SHOWN, found=SHOWN.found[:1]).to_frame()
    assert (len(SHOWN), SHOWN[1].t, len(SHOWN[:1])) == (2, 8, 1)
    spaced = Context(1, 1, 0.0, 0, ("the", "cat", "sat"), np.zeros(3), spaced=True)
    assert spaced.text == "the ‹cat› sat"
    assert repr(SHOWN) == "<0/forward/c_t[3], highest value of a sequence; print(…) shows it>"


def test_what_the_number_of_a_stretch_is_stands_above_them() -> None:
    states = states_of(four(0, 12))
    one, two = (match(states, units, "c_t", -1.0, None, 2, None, 3, False, 0, 0) for units in ([0], [0, 1]))
    assert one.terminal(words()).splitlines()[1] == "The number of a stretch is the mean of its values."
    said = "The number of a stretch is the mean of its values, at each step that of the unit nearest to the level."
    assert " ".join(two.terminal(words(), 60).splitlines()[1:3]) == said
    assert max(map(len, two.terminal(words(), 60, False).splitlines())) <= 60
    assert f"<li>{said}</li>" in two.report("html")


#: Short words, and in between long ones and other scripts.
TEXT = ["a", "(", ")", "house", "écat", "a", "to", "a", "日本", "the", "sat", "I", "o", "."]


@pytest.mark.few(1)
@pytest.mark.parametrize(("labels", "gap"), [(TEXT, " "), ([*TEXT, " of"], ""), (list("a(tb") * 3, "")])
def test_spaces_stand_between_tokens_everywhere_or_nowhere(labels: list[str], gap: str) -> None:
    frame = sequences(5, 30).assign(c_t_2=0.0, c_t_3=0.0)
    tokens = [labels[k % len(labels)] for k in range(len(frame))]
    states = states_of(frame.assign(token=tokens))
    whole = pd.concat([part.frame for part in states.all])
    by_sequence = {id_: [row["token"] for row in rows] for id_, rows in rows_by_sequence(whole)}
    found = top(states, "c_t[0]", 30, False, 0, 2)
    assert len(found) == 30
    found = replace(found, found=found.found[:20])  # a picture has no more
    page = re.sub("<[^>]*>", "", found.plot().html())
    marked = found.terminal(words(), 200, False).split("\n\n")[1:]
    for one, shown in zip(found, marked, strict=True):
        at = one.t - 5
        text = gap.join(by_sequence[one.sequence][at : at + 3])
        assert shown.splitlines()[1].strip() == text.strip()
        assert re.sub("[‹›]", "", one.text) == text
        assert text in page


def test_contexts_of_many_hits_look_at_each_once() -> None:
    states = states_of(four(3, 60), parts=30)
    looked = 0

    class Counted(Hit):
        @property
        def part(self) -> int:  # type: ignore[override]
            nonlocal looked
            looked += 1
            return self[1]

    hits = [Counted(0.0, part.span.number, row) for part in states.parts() for row in part.starts[:-1].tolist()]
    assert len(around(states, hits, 1, 1)) == len(hits) == 60
    assert looked == 60
