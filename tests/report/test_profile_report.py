"""The profile as a person reads it: what it names is there, its commands run, and trained models have it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.cli import main
from lstm_trace.errors import OptionError
from lstm_trace.explanation.profile import profile
from lstm_trace.report.report import report
from lstm_trace.trace.trace import Trace

from ..support.planted import BRACKETS, LENGTH, VOWELS, planted, text
from ..support.profile_cases import CASES
from ..support.table_cases import stacked
from ..support.tiers import some

HEADS = "unit", "half-life", "kept", "largest", "at step"


def tables(report: str) -> Iterator[tuple[list[str], list[list[str]]]]:
    """The tables of a text report: the heads of their columns, and the cells, by at least two spaces between them."""
    rows: list[list[str]] = []
    for line in [*report.splitlines(), ""]:
        if line.startswith("  ") and not line.startswith(("  #", "  lstm-trace", "      --")):
            rows.append(re.split(r"\s{2,}", line.strip()))
        elif rows:
            yield rows[0], rows[1:]
            rows = []


def table(report: str, head: str) -> list[list[str]]:
    """The rows of the table that has a column."""
    return next(rows for heads, rows in tables(report) if head in heads)


def profiled(trace: Trace, **options: Any) -> str:
    """The profile as text, also of a cell so small that its steps are worked by default."""
    return trace.report("text", detail="profile", **options)


def commands(report: str) -> list[list[str]]:
    """The commands at the end of a text report."""
    tail = report.partition("\nLook closer\n")[2].partition("\n\n")[2]
    return [shlex.split(row) for row in tail.replace("\\\n", " ").splitlines() if row.strip().startswith("lstm-trace")]


# -- what it says -----------------------------------------------------------------------------------------------------


def test_the_planted_units_are_named() -> None:
    """Three questions, three rows: which unit counts, which one knows where the line began, which one knows a class."""
    report = planted().report("text")
    read = text()
    depths = np.cumsum([(c == "(") - (c == ")") for c in read])
    first, second, *_ = table(report, "half-life")
    at = int(np.argmax(depths))
    assert first == [f"c_t[{BRACKETS}]", f"> {10 * len(read)}", ">99\u00a0%", f"{depths.max():.2f}", f"{at} ‘(’"]
    assert second[0] == f"c_t[{LENGTH}]"
    assert float(second[1]) == pytest.approx(len(read) / read.count("\n"), rel=0.01)
    vowels = table(report, "R²")[0]
    assert vowels[:2] == [f"c_t[{VOWELS}]", "100\u00a0%"]
    assert sorted(re.findall("‘(.)’", vowels[2])) == list("aeiou")
    assert not set(re.findall("‘(.)’", vowels[3])) & set("aeiou")


def test_a_unit_that_follows_the_tokens_in_its_output_alone_is_named_by_it() -> None:
    """The output gate of the unit that knows how long a line is opens at vowels: c_t does not follow them, h_t does."""
    trace = planted()
    vowels = np.array([c in "aeiou" for c in text()])
    trace.lines["0/forward"]["h_t"][:, 0, LENGTH] = vowels * (1 + trace["c_t"][:, 0, LENGTH] / 1000)
    rows = table(trace.report("text"), "R²")
    named = [row[0] for row in rows]
    assert {f"c_t[{VOWELS}]", f"h_t[{LENGTH}]"} <= set(named)
    assert len({name.partition("[")[2] for name in named}) == len(named) == 5  # each unit once
    assert sorted(re.findall("‘(.)’", rows[named.index(f"h_t[{LENGTH}]")][2])) == list("aeiou")


def test_every_number_is_that_of_the_frames() -> None:
    trace = CASES["stack"]()
    report, found = profiled(trace), profile(trace)
    units = found.units.set_index(["layer", "direction", "line", "unit"])
    for name, half, kept, largest, at in table(report, "half-life"):
        layer, direction, line, unit = re.fullmatch(r"(\d)/(\w+)/(\w+)\[(\d+)\]", name).groups()  # type: ignore[union-attr]
        row = units.loc[(int(layer), direction, line, int(unit))]
        assert half == ("> 200" if row.half_life > 200 else f"{row.half_life:#.3g}".rstrip("."))
        assert kept == f"{round(100 * row.kept)}\u00a0%"
        assert float(largest) == pytest.approx(row.largest, rel=5e-3)
        assert at == f"{row.t} (sequence {row.batch})"
    steps = found.steps.sort_values("times", ascending=False, kind="stable")
    shown = table(report, "forgets")
    assert len(shown) == 6
    for (step, change, forgets, name, before, after), row in zip(shown, steps.itertuples(), strict=False):
        assert step == f"{row.t} (sequence {row.batch})"
        assert name == f"{row.layer}/{row.direction}/{row.t}/{row.batch}/c_t[{row.unit}]"
        assert trace.locate(name).unit == (row.unit,)
        assert (float(change), float(before), float(after)) == pytest.approx(
            (row.times, row.before, row.after), rel=5e-3
        )
        assert forgets == f"{round(100 * row.forgets)}\u00a0%"
    gates = found.gates.groupby(["layer", "direction", "line"], sort=False).mean(numeric_only=True)
    rows = table(report, "gate")
    assert len(rows) == len(gates) == 12
    for (name, mean, left, right, *_), (place, row) in zip(rows, gates.iterrows(), strict=True):
        assert name == "/".join(map(str, place))  # type: ignore[arg-type]
        assert float(mean) == pytest.approx(row["mean"], rel=5e-3)
        assert (left, right) == (f"{round(100 * row.left)}\u00a0%", f"{round(100 * row.right)}\u00a0%")
    for (place, *cells), row in zip(table(report, "longest"), found.layers.itertuples(), strict=True):
        assert place == f"{row.layer}/{row.direction}"
        assert [float(cell) for cell in cells[:3]] == pytest.approx([row.i_t, row.f_t, row.o_t], rel=5e-3)
        assert float(cells[5]) == pytest.approx(row.half_life, rel=5e-3)
        assert float(cells[7]) == pytest.approx(row.output, rel=5e-3)


def test_what_the_model_is() -> None:
    report = " ".join(profiled(CASES["stack"]()).split())
    weights = sum(v.size for part in CASES["stack"]().parameters.values() for v in part.values())
    assert (
        "An LSTM cell with 4 units reads 20 steps of 5 numbers, for a batch of 3 sequences, in 2 layers of two"
        in report
    )
    assert f"{weights:,}".replace(",", " ") + " parameters in float64, computed by the plan “" in report
    assert "All numbers are over 27 steps, the valid ones of 3 sequences." in report
    assert "the valid ones of sequence 1." in " ".join(profiled(CASES["stack"](), batch=1).split())


def test_what_is_missing_is_said() -> None:
    report = " ".join(profiled(CASES["hidden"]()).split())
    assert (
        "Not recorded and therefore not described here: 0/forward/i_t, 0/forward/f_t, 0/forward/o_t, 0/forward/c_t."
        in report
    )
    assert "half-life" not in report
    assert all(row[2].endswith("]") for row in table(profiled(CASES["hidden"]()), "change"))
    broken = " ".join(profiled(CASES["broken"]()).split())
    assert "forward/5/1/c_t[0] is nan, the first value that is not finite: its operands give" in broken


def test_a_cell_without_gates_is_not_said_to_have_any() -> None:
    """A plain RNN: its tanh line saturates at -1 and 1, and no line keeps or forgets."""
    trace = CASES["rnn"]()
    report, h = " ".join(profiled(trace).split()), trace["h_t"]
    assert not re.findall("gate|forget|half-life", report.partition("Look closer")[0], re.IGNORECASE)
    assert "Left: the share of values below -0.8; right: above 0.8, over all units and steps." in report
    (line, _, left, right), *_ = table(profiled(trace), "line")
    assert line == "h_t"
    for shown, end in ((left, -h), (right, h)):
        assert int(shown.split()[0]) == pytest.approx(100 * np.mean(end > 0.8), abs=0.51)
    assert "how often every unit is saturated" in report
    gru = profiled(CASES["gru"]())
    assert "\nGates\n" in gru
    assert "Forgets: the share" in gru


def test_too_few_repeated_tokens_are_said() -> None:
    few, many, none = (" ".join(profiled(CASES[name]()).split()) for name in ("few-tokens", "planted", "stack"))
    said = "Units that follow the tokens are not listed: too few tokens are repeated"
    assert f"{said} (the steps with a repeated token must outnumber these tokens by 10 or more)." in few
    assert said not in many + none
    assert "R²" in many
    assert "R²" not in few


def test_what_rounding_would_leave_of_a_value_is_zero() -> None:
    """In float32: 1e-16 beside -3 is nothing, 1e-5 is something."""
    trace = stacked(18, 1, 1, 2, ("forward",), dtype="float32")
    c = trace.lines["0/forward"]["c_t"]
    c[:] = np.linspace(0, 0.1, 18)[:, None, None]
    c[6, 0, 1], c[7, 0, 1], c[12, 0, 0], c[13, 0, 0] = -3, -4.86e-17, 5, 1e-5
    rows = {row[0]: row[-2:] for row in table(profiled(trace), "change")}
    assert rows["7"] == ["-3.00", "0.0"]
    assert rows["13"] == ["5.00", "1.00e-5"]


@pytest.mark.few(0)
def test_many_names_are_few() -> None:
    report = " ".join(profiled(CASES["dead"]()).split())
    assert (
        "of the most active unit): h_t[0], h_t[1], h_t[2], h_t[3], h_t[4], h_t[5], h_t[6], h_t[7] and 12 more."
        in report
    )
    assert "always at 1: i_t[25], i_t[26], i_t[27], i_t[28], i_t[29]." in report
    whole = " ".join(profiled(CASES["dead"](), everything=True).split())
    assert "h_t[17], h_t[18], h_t[19]." in whole
    assert "Rows left out here: 2. --detail profile --all shows them." in profiled(CASES["deep"]())


# -- it leads on ------------------------------------------------------------------------------------------------------


def source(words: list[str]) -> int:
    """Where the source of a command stands: behind its name, and that of the explanation."""
    return 3 if words[1] == "explain" else 2


@pytest.mark.few(0)
@pytest.mark.parametrize("case", some(["planted", "stack", "mask", "gru", "rnn", "own", "window", "one-step"], 2))
def test_its_commands_run(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    CASES[case]().save("it's a trace.safetensors")
    found = CliRunner().invoke(main, ["report", "it's a trace.safetensors", "--format", "text", "--detail", "profile"])
    asked = commands(found.output)
    assert {words[1] for words in asked} >= {"plot", "report", "explain", "verify"}
    for words in asked:
        assert words[source(words)] == "it's a trace.safetensors"
        result = CliRunner().invoke(main, words[1:])
        assert result.exit_code == 0, (words, result.output)
        assert "Eventful steps" not in result.output  # worked steps, and not the profile again
    assert any(path.suffix == ".svg" for path in tmp_path.iterdir())


def test_the_ledger_it_proposes_is_of_the_largest_value() -> None:
    trace = CASES["mask"]()
    report = profiled(trace)
    asked = next(words for words in commands(report) if "memory" in words)
    of = asked[asked.index("--of") + 1]
    unit = profile(trace).units.query("line == 'c_t'").sort_values("half_life", ascending=False).iloc[0]
    assert of == f"{unit.direction}/{unit.t}/{unit.batch}/c_t[{unit.unit}]"
    assert lt.explain(trace, of, "memory").to_frame().running.iloc[-1] == pytest.approx(unit.largest)
    assert "the unit with the longest memory" in report
    assert "the unit with the largest value" in profiled(CASES["rnn"]())


def test_without_a_file_the_source_is_a_word() -> None:
    report = planted(60).report("text")
    assert all(words[source(words)] == "SOURCE" for words in commands(report))
    assert '# SOURCE is the file of this trace, from trace.save("trace.safetensors")' in report


# -- every format, language and case ----------------------------------------------------------------------------------


@pytest.mark.few(3)
@pytest.mark.parametrize("case", some(CASES, 4))
@pytest.mark.parametrize("format", ["text", "md", "tex", "typ", "html"])
def test_every_case_in_every_format(case: str, format: str) -> None:
    trace = CASES[case]()
    report = trace.report(format, detail="profile")
    assert "Eventful steps" in report or case in ("gates", "nothing", "padding")
    assert len(report) < 400_000
    if format == "text":
        for line in report.splitlines():
            assert len(line) <= 80 or case == "labelled", line
        assert "nan" not in report or case == "broken"
    if format == "html":
        assert not re.search("<b>|\u202e", report)
    assert trace.report(format, detail="profile", language="zh") != report


@pytest.mark.few(0)
@pytest.mark.parametrize(
    ("case", "most"), [("planted", 1), ("gru", 1), ("labelled", 1), ("mask", 2), ("wide", 2), ("deep", 2), ("stack", 2)]
)
def test_one_page_of_paper(case: str, most: int) -> None:
    """Two where the gates of two directions are drawn, so that the letters of the picture can be read."""
    assert pages(CASES[case]()) <= most


@pytest.mark.few(0)
def test_one_page_with_all_that_a_profile_has() -> None:
    """Labels, many import notes, a value that is held, and commands that go on in the next line."""
    trace = planted(hold={"50/c_t[5]": 0.0, "f_t[6]": "*0.5"})
    notes = tuple(f"what was done with the weights at import, in a sentence of its own, {k}" for k in range(4))
    trace = replace(trace, header=replace(trace.header, imported=notes))
    found = trace.report("typ")
    assert "R²" in found
    assert "Held instead of computed" in found
    assert pages(trace, sources=["a-folder/with-a-long-name/and-another-one/trace-of-a-long-run.safetensors"]) == 1


def pages(trace: Trace, sources: Sequence[str] = ()) -> int:
    typst = pytest.importorskip("typst")
    made = typst.compile(str(report([trace], "typ", sources, detail="profile")).encode(), format="svg")
    return len(made) if isinstance(made, list) else 1


def test_short_in_a_terminal() -> None:
    for trace, most in ((planted(), 85), (CASES["stack"](), 95)):
        assert len(str(report([trace], "text", ["t.json"], detail="profile")).splitlines()) <= most


def test_digits_comma_and_counting() -> None:
    report = planted(60).report("text", digits=1, decimal_comma=True, count_from=1)
    plain = planted(60).report("text")
    assert re.search(r"\d,\d  ", report)
    first, same = table(report, "half-life")[0], table(plain, "half-life")[0]
    assert int(first[-1].split()[0]) == int(same[-1].split()[0]) + 1
    assert (first[0], same[0]) == ("c_t[14]", "c_t[13]")


# -- when it is the report --------------------------------------------------------------------------------------------


def is_profile(trace: Trace, format: str = "text", **options: Any) -> bool:
    """Whether the report begins as a profile does; then it has no worked steps."""
    found = trace.report(format, **options)
    profile = re.search(r"parameters in\W*float64", found) is not None
    assert not (profile and "Solution" in found)
    return profile


@pytest.mark.few(0)
@pytest.mark.parametrize("steps", [1, 16, 17, 60])
@pytest.mark.parametrize(
    ("origin", "units", "expected"),
    [
        ("typed", 2, False), ("typed", 16, False), ("typed", 17, True),
        ("imported", 2, False), ("imported", 7, False), ("imported", 8, True), ("imported", 17, True),
    ],
)  # fmt: skip
def test_the_report_of_a_trained_model(origin: str, units: int, expected: bool, steps: int) -> None:
    """Typed: more than 16 units. Imported: more than 400 weights too; 7 units have 4 (7 · 5 + 7 · 7 + 2 · 7) = 392."""
    trace = stacked(steps, 1, 1, units, ("forward",))
    if origin == "imported":
        draw = np.random.default_rng(3)
        sizes = {"weight_ih_l0": (4 * units, 5), "weight_hh_l0": (4 * units, units)}
        sizes |= dict.fromkeys(("bias_ih_l0", "bias_hh_l0"), (4 * units,))
        trace = lt.run({name: draw.normal(size=size) for name, size in sizes.items()}, draw.normal(size=(steps, 5)))
    for format in ("text", "md", "typ", "html") if steps in (1, 17) else ("text",):
        assert is_profile(trace, format) == expected
    assert is_profile(trace, "text", detail="profile")
    assert not is_profile(trace, "text", detail="worked")


def test_a_cell_that_carries_nothing_has_no_profile_whatever_its_weights() -> None:
    weights = {"W": np.ones((30, 30))}
    trace = lt.run(weights, np.ones((2, 30)), cell={"equations": "y_t = W @ x_t\noutput: y_t"})
    assert not is_profile(replace(trace, header=replace(trace.header, imported=("read from a model",))), "text")


WORKED: list[dict[str, Any]] = [
    {"unit": 1}, {"steps": 3}, {"steps": slice(0, 2)}, {"only": "c_t"}, {"everything": True}, {"notation": "pytorch"},
    {"detail": "summary"}, {"detail": "vector"}, {"detail": "scalar"}, {"detail": "compact"},
]  # fmt: skip


@pytest.mark.few(1)
@pytest.mark.parametrize("options", some(WORKED, 4))
def test_options_of_worked_steps(options: dict[str, Any]) -> None:
    trace = stacked(18, 1, 1, 17, ("forward",))
    assert not is_profile(trace, **options)
    assert is_profile(trace, layer=0, direction="forward", batch=0, digits=3, language="en")


def test_a_profile_refuses_options_of_worked_steps() -> None:
    trace = stacked(18, 1, 1, 3, ("forward",))
    with pytest.raises(OptionError, match="steps, unit belong to worked steps: leave them out, or choose another"):
        trace.report(detail="profile", unit=1, steps=2)
    with pytest.raises(OptionError, match="there is no detail 'profil'; did you mean 'profile'"):
        trace.report(detail="profil")


def test_a_part_of_the_model() -> None:
    trace: Trace = CASES["stack"]()
    report = profiled(trace, layer=1, direction="reverse", batch=0)
    assert {row[0] for row in table(report, "half-life")} <= {f"1/reverse/c_t[{j}]" for j in range(4)}
    assert "Layers and directions" not in report
    assert all(words[words.index("--direction") + 1] == "reverse" for words in commands(report) if "--unit" in words)


def test_several_in_one_document() -> None:
    """Each has its own commands; a problem of hand size beside them keeps its numbers."""
    small = stacked(2, 1, 1, 2, ("forward",))
    report = lt.sheet([planted(60), small]).report("text")
    assert report.count("Look closer") == 1
    assert small.report("text").partition("Solution")[2].splitlines()[4] in report


@pytest.mark.few(0)
@pytest.mark.parametrize("detail", ["profile", "worked"])
@pytest.mark.parametrize("language", ["en", "de", "fr", "es", "zh"])
def test_what_a_file_claims_is_not_shown_as_if_it_were_verified(language: str, detail: str) -> None:
    """Anybody can write a sentence into a header; one that stands there is followed by who did not check it."""
    trace = CASES["stack"]()
    claim = "agrees with what the PyTorch module returned, to 0.0e+00"
    forged = replace(trace, header=replace(trace.header, agreement=(claim,)))
    assert lt.verify(forged).verdict == "verified"
    said = " ".join(str(forged.report("text", detail=detail, language=language)).split())
    _, _, after = said.partition("Agrees with what the PyTorch module returned, to 0.0e+00.")
    assert "verify" in after.strip()[:90], after[:200]
