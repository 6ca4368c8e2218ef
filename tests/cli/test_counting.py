"""What is printed is typed: addresses, steps and units in every command, counted as the problem counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.cli import main

from ..trace.test_printed import PROBLEM


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of the same problem, counted from 0 and from 1, with an unlike neighbour."""
    monkeypatch.chdir(tmp_path)
    for first in range(2):
        Path(f"{first}.yaml").write_text(yaml.safe_dump(PROBLEM | {"count_from": first}))
    Path("other.yaml").write_text(yaml.safe_dump(PROBLEM | {"count_from": 1, "c0": [0.5, 0.05]}))


def said(*words: str) -> Any:
    """What a command writes as JSON."""
    done = CliRunner().invoke(main, [*words, "--format", "json"])
    assert done.exit_code in (0, 1), done.output
    return json.loads(done.stdout)


def shown(*words: str) -> list[float]:
    """The values that `show` has."""
    return [value for row in said("show", *words)["rows"] for value in row["values"]]


def without(facts: Any, *names: str) -> Any:
    """Facts without what depends on how they count."""
    if isinstance(facts, dict):
        return {key: without(value, *names) for key, value in facts.items() if key not in names}
    return [without(one, *names) for one in facts] if isinstance(facts, list) else facts


#: Commands on a problem, with an address as printed from 1, from 0, and with slashes.
COMMANDS = [
    ("explain memory {} --of", "c_2[1]", "c_1[0]", "1/c_t[0]"),
    ("explain gradient {} --of", "c_2[1]", "c_1[0]", "0/forward/1/0/c_t[0]"),
    ("explain contribution {} --of", "h_T[2]", "h_T[1]", "2/h_t[1]"),
    ("explain contribution {} --of", "c_2[1] - c_1[2]", "c_1[0] - c_0[1]", "1/c_t[0] - 0/c_t[1]"),
    ("explain contribution {} --of", "sum(c_2)", "sum(c_1)", "sum(1/c_t)"),
    ("explain training {} --of", "L_2", "L_1", "1/L_t"),
    ("explain ablation {} --of h_T[1] --only", "f_t[2]", "f_t[1]", "forward/f_t[1]"),
    ("diff other.yaml {} --attribute", "c_2[1]", "c_1[0]", "1/c_t[0]"),
]


@pytest.mark.few(3)
@pytest.mark.parametrize(("words", "from_one", "from_zero", "full"), COMMANDS)
def test_a_printed_address_is_read_in_every_command(words: str, from_one: str, from_zero: str, full: str) -> None:
    def numbers(first: int, address: str, *more: str) -> Any:
        *start, last = words.format(f"{first}.yaml").split()
        start = [word.replace("h_T[1]", "2/h_t[0]") for word in start]
        return without(said(*start, last, address, *more)["rows"], "step", "unit_name")

    wanted = numbers(1, full)
    assert wanted
    assert numbers(1, from_one) == numbers(0, from_zero) == numbers(0, full) == wanted
    if not words.startswith("diff"):
        assert numbers(0, from_one, "--count-from", "1") == numbers(1, from_zero, "--count-from", "0") == wanted


@pytest.mark.few(1)
@pytest.mark.parametrize(("source", "held"), [("1.yaml", "c_2[1]"), ("0.yaml", "c_1[0]"), ("1.yaml", "1/c_t[0]")])
def test_a_hold_is_typed_as_printed(source: str, held: str) -> None:
    for more in ((), ("--count-from", "0" if source[0] == "1" else "1")):
        address = {"c_2[1]": "c_1[0]", "c_1[0]": "c_2[1]"}.get(held, held) if more else held
        values = shown(source, "--only", "c_t", "--hold", f"{address}=9", *more)
        assert values[2] == 9.0
        assert values.count(9.0) == 1


#: Options that select, from 1 and from 0, and the steps and units that they select.
SELECTED = [
    (("--steps", "1:3"), ("--steps", "0:3"), [0, 1, 2], [0, 1]),
    (("--steps", "2:3"), ("--steps", "1:"), [1, 2], [0, 1]),
    (("--steps", ":2"), ("--steps", ":2"), [0, 1], [0, 1]),
    (("--t", "2"), ("--t", "1"), [1], [0, 1]),
    (("--steps=-1",), ("--steps=-1",), [2], [0, 1]),
    (("--unit", "1"), ("--unit", "0"), [0, 1, 2], [0]),
    (("--steps", "3", "--unit", "2"), ("--steps", "2", "--unit", "1"), [2], [1]),
]


@pytest.mark.few(3)
@pytest.mark.parametrize(("from_one", "from_zero", "steps", "units"), SELECTED)
def test_steps_and_units_count_as_the_problem(
    from_one: tuple[str, ...], from_zero: tuple[str, ...], steps: list[int], units: list[int]
) -> None:
    values = lt.run(PROBLEM)["c_t"][:, 0]
    for source, words in (("1.yaml", from_one), ("0.yaml", from_zero), ("0.yaml", (*from_one, "--count-from", "1"))):
        assert shown(source, "--only", "c_t", *words) == values[np.ix_(steps, units)].ravel().tolist()
        done = CliRunner().invoke(main, ["export", source, "--only", "c_t", *words])
        cells = [float(row.rsplit(",", 1)[1]) for row in done.stdout.splitlines()[1:]]
        assert cells == values[np.ix_(steps, units)].ravel().tolist()


def test_an_address_selects_one_value() -> None:
    value = lt.run(PROBLEM)["c_t"][1, 0, 0]
    for source, address in (("1.yaml", "c_2[1]"), ("0.yaml", "c_1[0]"), ("1.yaml", "1/c_t[0]")):
        assert shown(source, "--only", address) == [value]
    report = CliRunner().invoke(main, ["report", "1.yaml", "--only", "c_2[1]", "--format", "text"]).stdout
    assert "Shown: step 2 of 3." in report
    assert f"≈ {value:.4f}" in report


def test_a_report_says_which_steps_it_shows() -> None:
    for source, steps, sentence in (
        ("1.yaml", "1:2", "Shown: steps 1 to 2 of 3."),
        ("0.yaml", "0:2", "Shown: steps 0 to 1 of 3."),
        ("1.yaml", "1:3", ""),
    ):
        text = CliRunner().invoke(main, ["report", source, "--steps", steps, "--format", "text"]).stdout
        assert ("Shown:" in text) == bool(sentence)
        assert sentence in text


def test_a_stored_part_is_typed_as_printed() -> None:
    assert CliRunner().invoke(main, ["run", "1.yaml", "--steps", "2:3", "-o", "t.json"]).exit_code == 0
    assert lt.load("t.json").span == range(1, 3)
    assert [row["t"] for row in said("show", "t.json", "--only", "c_t", "--steps", "3")["rows"]] == [2]
    done = CliRunner().invoke(main, ["show", "t.json", "--steps", "1"])
    assert "there is no step 1: steps are counted 2 to 3" in done.stderr


REFUSED = {
    "show 1.yaml --steps 0": "there is no step 0: steps are counted 1 to 3",
    "show 1.yaml --steps 0:2": "there is no step 0:2: steps are counted 1 to 3",
    "report 1.yaml --steps 4": "there is no step 4: steps are counted 1 to 3",
    "export 1.yaml --steps 3:2": "there is no step 3:2: steps are counted 1 to 3",
    "show 1.yaml --unit 0": "there is no unit 0: units are counted 1 to 2",
    "plot 1.yaml --unit 3": "there is no unit 3: units are counted 1 to 2",
    "run 1.yaml --steps 0 -o t.json": "there is no step 0: steps are counted from 1",
    "show 1.yaml --only c_2[1] --steps 1": "c_2[1] has a place of its own: leave --steps out",
    "report 0.yaml 1.yaml --steps 1": "which count from 0 and from 1, or end differently: give --count-from",
    "explain memory 1.yaml --of c_4[1]": "there is no c_4: steps are counted 1 to 3",
    "explain gradient 1.yaml --of c_2[3]": "there is no c_2[3]; c_2 has [1] to [2]",
    "explain memory 1.yaml --of c_2": "c_2: choose one of the 2 units, for example c_2[1]",
    "diff other.yaml 1.yaml --attribute h_T[0]": "there is no h_T[0]; h_T has [1] to [2]",
    "show 1.yaml --hold c_2[3]=0": "there is no c_2[3]; c_2 has [1] to [2]",
}


@pytest.mark.few(4)
@pytest.mark.parametrize("words", REFUSED)
def test_a_message_counts_as_it_was_typed(words: str) -> None:
    done = CliRunner().invoke(main, words.split())
    assert done.exit_code == 2
    assert REFUSED[words] in done.stderr


def test_one_entry_of_the_gradient_of_a_weight_is_one_number() -> None:
    """The column is the one that was typed, in `show` and in `export`, and it is printed as it was typed."""
    back = lt.backward(lt.run("1.yaml"), of="c_2[1]")
    back.save("back.json")
    gradient = back.sums["0/adjoint-forward"]["d_W_xi"]
    for row, column in np.ndindex(gradient.shape):
        address = f"∂L/∂W_xi[{row + 1},{column + 1}]"
        assert shown("back.json", "--only", address) == [gradient[row, column]]
        done = CliRunner().invoke(main, ["show", "back.json", "--only", address])
        assert f"d_W_xi[:,{column + 1}]" in done.output
        done = CliRunner().invoke(main, ["export", "back.json", "--only", address])
        assert [line.rpartition(",")[2] for line in done.output.splitlines()[1:]] == [str(gradient[row, column])]


def test_several_printed_addresses_are_of_one_place() -> None:
    assert shown("1.yaml", "--only", "c_2[1],f_2[1]") == shown("0.yaml", "--only", "c_1[0],f_1[0]")
    assert len(shown("1.yaml", "--only", "c_2[1],f_2[1]")) == 2
    done = CliRunner().invoke(main, ["show", "1.yaml", "--only", "c_2[1],f_1[1]"])
    assert done.exit_code == 2
    assert "--only names several places: name one, or lines and --steps and --unit for all of them" in done.output


def test_a_gradient_is_selected_where_it_is_computed() -> None:
    words = ["export", "1.yaml", "--gradient-of", "c_2[1]", "--only", "∂L/∂c_1[2]"]
    done = CliRunner().invoke(main, words)
    back = lt.backward(lt.run("1.yaml"), of="c_2[1]")
    assert done.exit_code == 0, done.output
    assert float(done.output.split(",")[-1]) == back["d_c_t"][0, 0, 1]


@pytest.mark.parametrize(
    ("words", "said_so"),
    [
        ("plot 1.yaml --only c_2[1]", "--only 'c_t' --steps 2 --unit 1, in Python only='c_t', steps=1, unit=0"),
        ("show 1.yaml --only ∂L/∂c_2[1]", "lstm-trace explain gradient … --of VALUE"),
        ("show 1.yaml --hold c_0[1]=1", "c_0 is the initial state, which is given, not computed; change c0 in"),
    ],
)
def test_what_is_no_line_says_what_to_write(words: str, said_so: str) -> None:
    done = CliRunner().invoke(main, words.split())
    assert done.exit_code == 2
    assert said_so in done.output


def test_an_address_is_no_whole_line() -> None:
    with pytest.raises(lt.errors.MissingError, match=r"lt.derivation\(trace, 'c_2\[1\]'\) has it"):
        lt.run("1.yaml")["c_2[1]"]
    for ask, message in (("c_0[1]", "c_0 is the initial state"), ("W_xi[1,1]", "W_xi is a weight, not a line")):
        with pytest.raises(lt.errors.MissingError, match=message):
            lt.run(PROBLEM | {"count_from": 1, "ask": [ask]})
