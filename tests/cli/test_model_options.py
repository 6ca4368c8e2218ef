"""Options on models at the command line: which of two they are for, and what they say that is not so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.cli import main

from ..support.results import verdict

I, H = 2, 3  # noqa: E741


def torch_arrays(prefix: str = "", layers: int = 1) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    found = {}
    for k in range(layers):
        found |= {f"{prefix}weight_ih_l{k}": rng.normal(size=(4 * H, H if k else I))}
        found |= {f"{prefix}weight_hh_l{k}": rng.normal(size=(4 * H, H))}
        found |= {f"{prefix}bias_{side}h_l{k}": rng.normal(size=4 * H) for side in "ih"}
    return found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.savez("one.npz", **torch_arrays())
    np.savez("two.npz", **torch_arrays("enc."), **torch_arrays("dec."))
    np.save("x.npy", np.ones((4, I)))
    return tmp_path


def said(*arguments: str) -> str:
    found = CliRunner().invoke(main, ["diff", *arguments, "--input", "x.npy"])
    assert found.exit_code == 2, found.output
    return found.stderr


BOTH = "(--name is for both models; --name-a is for the first alone, --name-b for the second)"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["two.npz", "two.npz", "--name-a", "enc"], "there are 2 LSTMs: enc, dec; choose one by name (--name)"),
        (
            ["one.npz", "two.npz", "--name", "enc"],
            "the LSTM 'enc' does not exist; the only one has no name: leave the name out",
        ),
        (["two.npz", "two.npz", "--name", "q"], "the LSTM 'q' does not exist; there are enc, dec"),
    ],
)
def test_a_name_for_one_of_two_models(folder: Path, arguments: list[str], problem: str) -> None:
    assert f"{problem} {BOTH}" in said(*arguments)


def test_a_name_where_one_side_is_a_model(folder: Path) -> None:
    lt.run("one.npz", np.ones((4, I))).save("a.json")
    assert said("a.json", "two.npz").endswith("choose one by name (--name)\n")


def test_facts_of_a_layout_beside_names_that_are_a_layout_s(folder: Path) -> None:
    message = said("one.npz", "one.npz", "--layout", "forget_bias=1")
    assert "they are those of pytorch: say that with the facts (--layout pytorch)" in message
    alone = CliRunner().invoke(
        main, ["diff", "one.npz", "one.npz", "--layout", "pytorch,forget_bias=1", "--input", "x.npy"]
    )
    assert alone.exit_code == 0


def test_a_layer_of_one_side_is_told_in_two_lines() -> None:
    one, two = (lt.run(torch_arrays(layers=n), np.ones((4, I))) for n in (1, 2))
    for a, b, side in ((one, two, "b"), (two, one, "a")):
        told = [row for row in verdict(lt.diff(a, b)) if "1/forward" in row]
        assert told == [
            f"input or weight: 1/forward: only in {side}: W_xi, W_hi, b_xi, b_hi, W_xf and 13 more",
            f"note: 1/forward is only in {side}",
        ]


def ran(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["run", "one.npz", "--input", "x.npy", "-o", "t.json", *arguments])


@pytest.mark.parametrize("bias", ["one", "two", "8H"])
def test_a_trace_says_which_biases_its_arrays_had(folder: Path, bias: str) -> None:
    assert ran("--layout", f"pytorch,bias={bias}").exit_code == 0
    assert lt.load("t.json").header.imported[0].endswith("; two biases for each gate")


def test_two_biases_by_our_names_are_told_as_two() -> None:
    arrays = {f"W_{side}{g}": np.ones((H, H)) for side in "xh" for g in "ifco"}
    arrays |= {f"b_{side}{g}": np.ones(H) for side in "xh" for g in "ifco"}
    imported = lt.run(arrays, np.ones((2, H)), layout="gates").header.imported
    assert imported[0].endswith("; two biases for each gate")


def test_a_bias_column_without_a_joined_kernel_is_refused(folder: Path) -> None:
    found = ran("--layout", "pytorch,bias=column")
    assert found.exit_code == 2
    assert "bias column: it is the last column of a joined kernel; say joined (xh or hx) as well" in found.stderr


def test_an_output_at_padding_where_there_is_none_is_refused(folder: Path) -> None:
    found = ran("--option", "padding=zero")
    assert found.exit_code == 2
    assert "--option padding has no effect unless some steps are padding: give --lengths or --mask too" in found.stderr
    np.save("lengths.npy", np.array([2]))
    assert ran("--option", "padding=zero", "--lengths", "lengths.npy").exit_code == 0


@pytest.mark.parametrize("names", ["", " , "])
def test_a_list_of_no_names_is_refused(folder: Path, names: str) -> None:
    found = ran("--record", names)
    assert found.exit_code == 2
    assert "expected comma-separated names of lines" in found.stderr


@pytest.mark.parametrize(
    ("earlier", "now"),
    [
        (["--gate-order", "ifog"], "--gate-order is now --layout order=ifog"),
        (["--not-transposed"], "--not-transposed is now --layout transposed=false"),
        (["--activation", "relu"], "--option candidate_activation=relu,output_activation=relu"),
        (["--go-backwards"], "--go-backwards is now --option direction=reverse"),
        (["--merge", "sum"], "--merge is now --option merge=sum"),
    ],
)
def test_what_was_written_before_gets_the_new_form(folder: Path, earlier: list[str], now: str) -> None:
    found = ran(*earlier)
    assert found.exit_code == 2
    assert now in found.stderr
    assert found.stderr.count("\n") == 1


def test_a_command_that_reads_a_trace_says_how_an_option_of_a_run_is_given(folder: Path) -> None:
    """`export --state-from` was refused with: Did you mean '--title-column'?"""
    for name in ("export", "show", "verify"):
        found = CliRunner().invoke(main, [name, "p.yaml", "--state-from", "t.json"])
        assert found.exit_code == 2
        assert f"lstm-trace run SOURCE --state-from … | lstm-trace {name} -" in found.stderr
        assert "Did you mean" not in found.stderr
    assert "Did you mean '--output'?" in CliRunner().invoke(main, ["export", "p.yaml", "--outputt", "x"]).stderr


@pytest.mark.parametrize("name", ["report", "plot", "diff", "explain memory"])
def test_the_help_of_a_command_that_takes_a_model_names_state_from(name: str) -> None:
    text = " ".join(CliRunner().invoke(main, [*name.split(), "--help"]).output.replace("lstm-\n", "lstm-").split())
    assert "(--input, --state-from, --hold, --layout, …)" in text
