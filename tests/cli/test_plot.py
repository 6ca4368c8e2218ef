"""`lstm-trace plot`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lstm_trace.cli import main
from lstm_trace.plot import kinds as table

from .. import ROOT

EXAMPLE = str(ROOT / "lstm_trace" / "examples" / "three-steps.yaml")


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["plot", *arguments])


def test_the_kinds_are_those_of_the_table() -> None:
    listed = invoke("--help").output.partition("\n\n")[2]
    assert all(f"\n  {kind} " in listed for kind in table.KINDS)


def test_svg_on_standard_output_and_files_by_their_suffix(tmp_path: Path) -> None:
    shown = invoke(EXAMPLE, "--kind", "unit", "--unit", "2", "--line", "f_t,h_t")
    assert shown.exit_code == 0
    assert shown.stdout.startswith("<svg")
    assert "unit 2 (wet)" in shown.stdout
    assert "unit 1 (bright)" not in shown.stdout
    for name in ("p.svg", "p.html", "p.json"):
        result = invoke(EXAMPLE, "--kind", "unit", "-o", str(tmp_path / name))
        assert (result.exit_code, result.output) == (0, "")
    assert json.loads((tmp_path / "p.json").read_text("utf-8"))["$schema"]
    assert invoke(EXAMPLE, "--kind", "unit", "--format", "json").stdout == (tmp_path / "p.json").read_text("utf-8")


def test_without_a_kind_gates_and_states_are_drawn() -> None:
    assert invoke(EXAMPLE).stdout == invoke(EXAMPLE, "--kind", "unit").stdout
    assert invoke(str(ROOT / "lstm_trace" / "examples" / "squared-error.yaml")).stdout.startswith("<svg")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--kind", "unti"], "'--kind': 'unti' is not"),
        (["--kind", "unit", "-o", "p.gif"], "p.gif: pictures are written as .svg, .png, .html, .htm, .json, not .gif"),
        (["--kind", "unit", "--unit", "a"], "expected comma-separated units, found 'a'"),
        (["--kind", "unit", "--unit", "9"], "there is no unit 9: units are counted 1 to 2"),
        (["--kind", "unit", "--line", "q_t"], "no line 'q_t'"),
        (["--kind", "text", "--order", "memory"], "--order belongs to --kind states, not to --kind text"),
        (["--kind", "weights", "--batch", "0"], "--batch belongs to --kind states, unit, text, gradient and diff, not"),
        (["--kind", "diff"], "--kind diff needs a second trace: --against OTHER"),
        (["--kind", "diff", "--against", "none.yaml"], "none.yaml"),
        (["--kind", "weights", "--of", "W_xq"], "no weight 'W_xq'; did you mean 'W_xi'"),
    ],
)
def test_what_is_refused(arguments: list[str], message: str) -> None:
    result = invoke(EXAMPLE, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_text_in_the_terminal() -> None:
    shown = invoke(EXAMPLE, "--kind", "text", "--unit", "2")
    assert shown.stdout == (
        "h_t, unit 2 (wet)\n−0.556 █▓▒░ ░▒▓█ 0.556\n  1 2 3\n+   █ ▒\n"
    )  # there is no terminal that has colours
    assert invoke(EXAMPLE, "--kind", "text", "--format", "svg").stdout.startswith("<svg")


def test_two_sources(tmp_path: Path) -> None:
    same = invoke(EXAMPLE, "--kind", "diff", "--against", EXAMPLE)
    assert "There is no difference." in same.stdout
    assert "(Difference of the weights: b − a)" in invoke(EXAMPLE, "--kind", "weights", "--against", EXAMPLE).stdout
    other = tmp_path / "other.yaml"
    other.write_text(Path(EXAMPLE).read_text("utf-8"), encoding="utf-8")  # with the same title
    two = invoke(EXAMPLE, "--kind", "weights", "--against", str(other)).stdout
    assert f"Difference of the weights: other.yaml − {Path(EXAMPLE).name}<" in two
    model = str(ROOT / "traces" / "unicode-burmese" / "burmese.npz")
    assert "Layer 0, reverse" in invoke(model, "--kind", "weights", "--of", "W_hi").stdout  # without an input
    refused = invoke(model, "--kind", "weights", "--against", EXAMPLE)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "0/forward/W_xi has shape (12, 12), and in the other (2, 2)" in refused.stderr
