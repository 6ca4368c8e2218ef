"""explain and diff --attribute as a user sees them; the numbers are tested with the walks."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.base.display import cells
from lstm_trace.cli import main
from lstm_trace.errors import OptionError
from lstm_trace.results import EXPLANATIONS as WAYS
from lstm_trace.results.explanation import explanation

from ..support.said import sentences_of, tables
from ..support.tiers import some
from ..verification.test_verify import traced

OF = {
    "training": "0/forward/3/1/h_t[2]",
    "memory": "0/forward/3/1/c_t[2]",
    "gradient": "0/forward/3/1/h_t[2]",
    "contribution": "1/reverse/0/1/h_t[2]",
    "ablation": "1/reverse/0/1/h_t[2]",
}


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "trace.json"
    traced({}).save(path)
    return str(path)


@pytest.mark.few(1)
@pytest.mark.parametrize("how", some(WAYS, 2))
def test_every_way_in_every_format(file: str, tmp_path: Path, how: str) -> None:
    words = ["explain", how, file, *(["--of", OF[how]] if how in OF else [])]
    run = CliRunner().invoke(main, words)
    assert run.exit_code == 0, run.output
    assert run.output.startswith("# ")
    frame = lt.explain(lt.load(file), OF.get(how), how).to_frame()
    table = tmp_path / "out.csv"
    assert CliRunner().invoke(main, [*words, "-o", str(table)]).exit_code == 0
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    assert len(rows) == len(frame)
    assert list(rows[0]) == list(frame.columns)
    data = json.loads(CliRunner().invoke(main, [*words, "--format", "json"]).output)
    assert len(data["rows"]) == len(frame)


@pytest.mark.few(0)
def test_contributions_add_up_and_stand_beside_the_others() -> None:
    trace = traced({})
    frame = lt.explain(trace, OF["contribution"], "contribution").to_frame()
    value = trace.lines["1/reverse"]["h_t"][0, 1, 2]
    with pytest.warns(
        UserWarning, match="the table is empty: .* differs in the baseline: choose another trace"
    ) as told:
        base = lt.explain(trace, OF["contribution"], "contribution", baseline=trace).to_frame()
    assert [one.filename for one in told] == [__file__]  # the place of the call, not one inside the package
    assert base.empty
    assert base.attrs["sentences"][0].endswith("the difference is 0")
    weights = {f"{s}/{n}": v for s, here in trace.parameters.items() for n, v in here.items()}
    states = [np.stack([trace.initial[s][n] for s in trace.initial]) for n in ("h_prev", "c_prev")]
    zero = lt.run(weights, 0 * trace.x, h0=states[0], c0=states[1]).lines["1/reverse"]["h_t"][0, 1, 2]
    assert abs(frame.contribution.sum() - (value - zero)) < 1e-14
    assert abs(frame.integrated_gradients.sum() - (value - zero)) < 1e-6
    assert set(frame.batch) == {1}


@pytest.mark.few(0)
def test_what_the_share_of_a_block_is() -> None:
    """By a loop over the entries: those that cancel have neither a contribution nor a share."""
    trace = traced({})
    found = explanation(trace, OF["contribution"], "contribution")
    frame = found.to_frame()
    blocks = {name: (contribution, share) for name, contribution, share in tables(found)["By block"].rows}
    x = frame[frame.kind == "input"].contribution.sum()
    assert blocks["x"] == (pytest.approx(x), pytest.approx(x / frame.contribution.sum()))
    assert sum(share for _, share in blocks.values()) == pytest.approx(1)
    assert "`share`: the contribution as a fraction of the difference." in found.report()


@pytest.mark.few(0)
def test_without_a_worked_solution_there_are_tables_in_the_language(tmp_path: Path) -> None:
    """And options of a worked solution are refused."""
    path = tmp_path / "t.json"
    traced({}, dtype="float32").save(path)
    words = ["explain", "contribution", str(path), "--of", OF["contribution"], "--format", "text"]
    german = CliRunner().invoke(main, [*words, "--language", "de"])
    assert german.exit_code == 0
    assert "die Teile ergeben zusammen" in german.stdout
    assert "in float32 gerechnet" in german.stdout
    for form in ("text", "md", "csv", "pdf"):  # no refusal leads to another
        refused = CliRunner().invoke(main, [*words[:-1], form, "--notation", "keras"])
        assert (refused.exit_code, refused.stdout) == (2, "")
        assert refused.stderr == (
            "error: --notation belongs to the worked steps of a split, and there are none: the trace was computed in "
            "float32, and they need float64. Leave --notation out\n"
        )
    traced({}).save(path)
    assert "Aufteilung von" in CliRunner().invoke(main, [*words, "--language", "de"]).stdout


def test_a_baseline_that_does_not_fit_is_called_one(file: str, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    lt.load(file).at(steps=slice(0, 3)).save(other)
    words = ["explain", "contribution", file, "--of", OF["contribution"], "--baseline", str(other)]
    refused = CliRunner().invoke(main, words)
    assert refused.exit_code == 2
    assert "the baseline has T = 3, the trace has T = " in refused.stderr


def prose(text: str) -> list[str]:
    """The lines of a text without the commands at its end, whose paths cannot be broken."""
    return text.partition("\nLook closer\n")[0].splitlines()


@pytest.mark.few(0)
@pytest.mark.parametrize(
    ("words", "piped"),
    [
        (["diff", "FILE", "FILE", "--hold", "c_t[1]=0"], "md"),
        (["explain", "contribution", "FILE", "--of", OF["contribution"]], "md"),
        (["explain", "gradient", "FILE", "--of", OF["gradient"], "--steps", "3"], "md"),  # its formulas are wide
        (["report", "FILE"], "md"),
        (["verify", "FILE"], "text"),
    ],
    ids=lambda said: said[0] if isinstance(said, list) else "",
)
def test_a_terminal_gets_text_that_fits(
    words: list[str], piped: str, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [file if word == "FILE" else word for word in words]
    by_format = {form: CliRunner().invoke(main, [*words, "--format", form]).stdout for form in ("md", "text")}
    assert CliRunner().invoke(main, words).stdout == by_format[piped]
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda self: True, raising=False)
    shown = CliRunner().invoke(main, words).stdout
    assert max(map(cells, prose(shown))) <= 80
    assert shown == by_format["text"] != by_format["md"]
    assert CliRunner().invoke(main, [*words, "--format", "md"]).stdout == by_format["md"]
    monkeypatch.setenv("COLUMNS", "60")
    assert max(map(cells, prose(CliRunner().invoke(main, words).stdout))) <= 60


@pytest.mark.few(0)
def test_a_baseline_in_which_nothing_differs_is_said_to_be_one() -> None:
    trace = lt.run({f"W_{s}{g}": [[0.5]] for s in "xh" for g in "ifco"}, [[1.0], [2.0]])
    found = explanation(trace, "1/h_t[0]", "contribution", baseline="zero-state")
    text = found.report()
    said = "nothing that the value depends on differs in the baseline zero-state: choose zero-input or another trace"
    assert text.endswith(f"- {said}\n")
    for shown in (text, found.report("html"), found._repr_html_()):
        assert "nothing that the value depends on differs" in shown.lower()
        assert "By block" not in shown
    assert "By step" not in text
    assert "|" not in text
    assert "".join(found.pieces("csv")).startswith("address,kind,")
    assert "unexplained" not in text
    assert "- nothing" not in explanation(trace, "1/h_t[0]", "contribution").report()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_value_in_a_sentence_is_short(dtype: str) -> None:
    weights = {f"W_{s}{g}": np.full((1, 1), 0.3) for s in "xh" for g in "ifco"}
    trace = lt.run(weights, [[0.7], [0.2]], dtype=dtype)
    value, cell = (f"{trace[line][1, 0, 0]:.6g}" for line in ("h_t", "c_t"))
    assert len(value) < 10
    assert sentences_of(explanation(trace, "1/h_t[0]", "contribution"))[0] == (
        f"0/forward/1/0/h_t[0]: the baseline has 0, the trace has {value}, the difference is {value}"
    )
    assert sentences_of(explanation(trace, "1/c_t[0]", "memory"))[0].startswith(f"0/forward/1/0/c_t[0] = {cell}; ")
    assert sentences_of(explanation(trace, "1/h_t[0]", "ablation"))[0] == f"0/forward/1/0/h_t[0] = {value}"


@pytest.mark.few(0)
def test_the_output_of_padded_directions_needs_no_direction(file: str) -> None:
    """y_t is where they meet; each has a line of this name as well, which stands in the full address."""
    trace = lt.load(file)
    x = trace.x
    weights = {f"{s}/{n}": v for s, here in trace.parameters.items() for n, v in here.items()}
    padded = lt.run(weights, x, lengths=[x.shape[0], 3])
    assert {scope for scope, here in padded.lines.items() if "y_t" in here} > {"1/joined", "1/forward", "1/reverse"}
    short, full = (
        sentences_of(explanation(padded, of, "contribution")) for of in ("1/2/1/y_t[0]", "1/joined/2/1/y_t[0]")
    )
    assert short == full
    assert sentences_of(explanation(padded, "1/forward/2/1/y_t[0]", "contribution")) != full
    assert str(padded.locate("1/2/1/y_t[0]")) == "1/joined/2/1/y_t[0]"
    several = sentences_of(explanation(padded, "sum(1/0..2/1/y_t[0..1])", "contribution"))[0]
    assert several.startswith("sum(1/joined/0..2/1/y_t[0..1]): the baseline has ")


def test_gradient_of_a_weighting_of_the_output(file: str, tmp_path: Path) -> None:
    trace = lt.load(file)
    seed = np.random.default_rng(3).normal(size=trace.output.shape)
    np.save(tmp_path / "seed.npy", seed)
    words = ["explain", "gradient", file, "--seed", str(tmp_path / "seed.npy"), "--format", "json"]
    run = CliRunner().invoke(main, words)
    assert run.exit_code == 0, run.output
    rows = {row["address"]: row["gradient"] for row in json.loads(run.output)["rows"]}
    found = lt.gradients(trace, output=seed)
    assert rows["0/forward/W_xi[2,1]"] == found["0/forward/W_xi"][2, 1]
    assert rows["h0[3,1,2]"] == found["h0"][3, 1, 2]


def test_a_difference_is_split(file: str, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    traced({}, seed=2).save(other)
    run = CliRunner().invoke(main, ["diff", file, str(other), "--attribute", OF["contribution"], "--format", "json"])
    assert run.exit_code == 1
    data = json.loads(run.output)
    gap = lt.load(other).lines["1/reverse"]["h_t"][0, 1, 2] - lt.load(file).lines["1/reverse"]["h_t"][0, 1, 2]
    assert sum(row["contribution"] for row in data["rows"]) == pytest.approx(gap, abs=1e-13)
    assert sum(row["contribution"] for row in data["more"][0]["rows"]) == pytest.approx(gap, abs=1e-13)
    row = next(row for row in data["rows"] if row["kind"] == "parameter")
    scope, at = row["address"].rpartition("/")[0], tuple(row[n] for n in ("unit", "input") if row[n] is not None)
    assert [row["a"], row["b"]] == [lt.load(path).parameters[scope][row["name"]][at] for path in (file, other)]


@pytest.mark.few(1)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_terminal_gets_the_tables_of_a_split(dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the worked steps, of hundreds of lines; float32 has none, and its document is the tables in every format."""
    files = [str(tmp_path / name) for name in ("a.json", "b.json")]
    for file, w in zip(files, (0.5, -0.25), strict=True):
        weights = {f"W_{s}{g}": [[w if s + g == "xf" else 0.5]] for s in "xh" for g in "ifco"}
        lt.run(weights, [[1.0], [2.0]], dtype=dtype).save(file)
    words = ["diff", *files, "--attribute", "1/h_t[0]"]
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda self: True, raising=False)
    shown = CliRunner().invoke(main, words)
    assert shown.exit_code == 1, shown.output
    (row,) = (line for line in shown.stdout.splitlines() if "W_xf[0,0]" in line)
    assert row.split()[:3] == ["0/forward/W_xf[0,0]", "0.5", "-0.25"]
    assert " 100 %" in shown.stdout.replace("\u00a0", " ")
    worked = CliRunner().invoke(main, [*words, "--format", "text"]).stdout
    assert CliRunner().invoke(main, [*words, "-o", str(tmp_path / "d.html")]).exit_code == 1
    page = (tmp_path / "d.html").read_text()
    if dtype == "float64":
        assert "The worked steps: --format text, or -o d.txt, d.html or d.pdf." in shown.stdout
        assert "ΔL" in worked
        assert "By block" not in page
    else:
        left = "Worked steps are left out: a was computed in float32, and they need float64."
        assert shown.stdout == worked
        assert left in shown.stdout
        assert left in page


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["memory", "FILE"], "memory needs a value: --of ADDRESS, for example --of 'c_3[1]' as printed, or '0/for"),
        (["memory", "FILE", "--of", "0/forward/3/1/i_t[0]"], "i_t is not carried to the next step"),
        (["contribution", "FILE", "--of", "0/forward/3/1/h_t[0]", "--baseline", "7"], "there is no baseline 7"),
        (["gates", "FILE", "--low", "0.9", "--high", "0.1"], "the thresholds must satisfy 0 <= low < high <= 1"),
        (
            ["memory", "FILE", "--of", OF["memory"], "--low", "0.3"],
            "--low belongs to explain gates, not to explain memory",
        ),
        (
            ["memory", "FILE", "--of", OF["memory"], "--layer", "0"],
            "--layer belongs to explain gradient and contribution and training, not to explain mem",
        ),
        (
            ["memory", "FILE", "--of", OF["memory"], "--points", "50"],
            "--points belongs to explain contribution",
        ),
        (
            ["gates", "FILE", "--of", OF["memory"]],
            "--of belongs to explain memory and gradient and contribution and ablation and training, not to",
        ),
        (["gates", "FILE", "--seed", "nope.npy"], "--seed belongs to explain gradient, not to explain gates"),
        (["gates", "FILE", "--baseline", "0"], "--baseline belongs to explain contribution, not to explain gates"),
        (
            ["gates", "FILE", "--digits", "3"],
            "--digits belongs to explain gradient and contribution and training, not",
        ),
        (
            ["gates", "FILE", "--all"],
            "--all belongs to explain gradient and contribution and training, not to explain gates",
        ),
        (
            ["contribution", "FILE", "--of", OF["memory"], "--high", "0"],
            "--high belongs to explain gates",
        ),
        (
            ["gradient", "FILE", "--of", "h_t[0]"],
            "'h_t[0]' is not an address here; expected layer/direction/t/b/h_t[0]",
        ),
    ],
)
def test_faults(file: str, words: list[str], message: str) -> None:
    run = CliRunner().invoke(main, ["explain", *(file if word == "FILE" else word for word in words)])
    assert run.exit_code == 2
    assert message in run.stderr
    assert run.stdout == ""


def test_a_part_that_is_zero_has_no_sign() -> None:
    trace = lt.run({}, [[0.0], [-0.0]], cell={"equations": "c_t = -1 * c_prev + x_t\ncarry: c_prev <- c_t"})
    assert "| -0 |" not in explanation(trace, "1/c_t[0]", "memory").report()


def test_unknown_way() -> None:
    with pytest.raises(OptionError, match="there is no explanation 'memorry'; did you mean 'memory'"):
        explanation(traced({}), "c_t[0]", "memorry")


@pytest.mark.few(0)
def test_a_selection_of_layer_0_is_one(file: str) -> None:
    words = ["explain", "gradient", file, "--of", OF["contribution"]]
    whole, part = (CliRunner().invoke(main, [*words, *more]).output for more in ([], ["--layer", "0"]))
    assert "Layer 1, reverse" in whole
    assert "Layer 1, reverse" not in part


@pytest.mark.parametrize(
    ("how", "options", "message"),
    [
        ("memory", {"of": "x", "low": 0.3}, "low belongs to gates, not to memory"),
        (
            "gates",
            {"of": "x", "seed": 1},
            "seed belongs to gradient, not to gates\nof belongs to memory and gradient and",
        ),
        ("gates", {"lo": 0.3}, "there is no option lo; did you mean 'low'?; gates reads low, high"),
        ("gradient", {"of": "x", "colour": 0}, "there is no option colour; gradient reads of, seed, equations"),
    ],
)
def test_an_option_that_nothing_reads_is_refused_in_python(how: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError) as error:
        lt.explain(traced({}), how=how, **options).to_frame()
    assert message in str(error.value)


@pytest.mark.parametrize("how", WAYS)
def test_the_help_of_each_explanation_fits_on_a_screen(how: str) -> None:
    """At most 27 options, and those of a model are accepted all the same."""
    run = CliRunner().invoke(main, ["explain", how, "--help"])
    assert run.exit_code == 0
    options = run.output.partition("Options:")[2].partition("SOURCE may also")[0]
    assert 5 <= len(re.findall(r"^  -", options, re.M)) <= 27
    assert "--layout" not in run.output.partition("Options:")[2].partition("SOURCE may also")[0]
    assert "lstm-trace run --help" in " ".join(run.output.split())


def test_the_help_lists_the_explanations() -> None:
    text = CliRunner().invoke(main, ["explain", "--help"]).output
    for how, line in WAYS.items():
        assert re.search(rf"^  {how} +{re.escape(line)}$", text, re.M)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["t.json", "--how", "memory", "--of", "3/c_t[0]"], "lstm-trace explain memory t.json --of '3/c_t[0]'"),
        (["--how=gates", "t.json"], "the explanation comes first: lstm-trace explain gates t.json"),
        (["t.json", "--how", "gate"], "there is no explanation 'gate'; did you mean 'gates'?"),
        (["t.json"], "it comes before SOURCE: explain memory SOURCE"),
    ],
)
def test_what_was_written_before_is_one_message_with_the_new_form(words: list[str], message: str) -> None:
    run = CliRunner().invoke(main, ["explain", *words])
    assert (run.exit_code, run.stdout, run.stderr.count("\n")) == (2, "", 1)
    assert message in run.stderr
