"""Every named cell has every string in every language: a cell without them fails, and each missing key is named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import chain

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.cell.lines import Cell
from lstm_trace.cell.named_cells import KINDS, Kind
from lstm_trace.cell.variants import named
from lstm_trace.languages import languages
from lstm_trace.view.line_groups import _LEADING, gated

from ..cell.test_options import NEEDED, OTHER_VALUES
from .test_languages import strings


def cells(kind: str) -> Iterator[Cell]:
    """The cell with each option at its default, and each at another value."""
    yield named(kind, {})[0]
    for option in fields(KINDS[kind]):
        value = OTHER_VALUES.get(option.name, True)
        yield named(kind, {**NEEDED.get(option.name, {}), option.name: value})[0]


def missing(kind: str, table: dict[str, str]) -> set[str]:
    """The strings that a report of the cell looks for, and that the table does not have.

    Its title; the name of each line that has a heading: gates, activations, what is carried, the output; what each gate
    is called and did, and what the hidden state is called; what each gate, state and output is for, in a derivation.
    """
    needed = {f"cell.{kind}"}
    for cell in cells(kind):
        named_lines = {*cell.states.values(), cell.output}
        named_lines |= {x.name for x in cell.lines if x.assigned and (x.op in _LEADING or x.call or cell.is_gate(x))}
        needed |= {f"{kind}.{name}" for name in named_lines}
        for line in cell.lines:
            if gated(line, cell) is not None and line.name not in ("c_tilde", "h_tilde"):
                needed |= {f"the.{kind}.{line.name}", f"did.{kind}.{line.name}", f"about.{kind}.{line.name}"}
        needed |= {f"the.{kind}.{cell.output}", f"about.{kind}.{cell.output}"}
    return needed - table.keys()


@pytest.mark.few(7)
@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("kind", KINDS)
def test_a_named_cell_has_every_string(kind: str, language: str) -> None:
    found = missing(kind, strings(language))
    assert not found, f"{language}.toml does not have {', '.join(sorted(found))}"


@dataclass(frozen=True)
class Toy(Kind):
    """A cell that nobody has written strings for."""

    gates = "ec"

    def equations(self) -> str:
        """The cell as text."""
        rows = [f"z_{g} = {' + '.join(chain(*self.terms(g)))}" for g in self.gates]
        rows += ["e_t = sigmoid(z_e)", "c_t = tanh(z_c)", "s_t = e_t * c_t", "h_t = s_t + h_prev"]
        return "\n".join([*rows, "carry: h_prev <- h_t", "output: h_t"])


@pytest.mark.parametrize("language", languages())
def test_a_cell_without_strings_has_each_missing_key_named(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "toy", Toy)
    keys = {"cell.toy", "toy.e_t", "toy.c_t", "toy.h_t", "the.toy.e_t", "did.toy.e_t", "the.toy.h_t"}
    keys |= {"about.toy.e_t", "about.toy.h_t"}
    assert missing("toy", strings(language)) == keys
    there = {"cell.toy": "A toy", "did.toy.e_t": "…"}
    assert missing("toy", strings(language) | there) == keys - there.keys()


def test_a_row_in_the_table_is_a_cell_with_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "toy", Toy)
    weights = {f"W_{side}{g}": np.eye(2) for g in "ec" for side in "xh"} | {"b_e": np.ones(2), "b_c": np.ones(2)}
    trace = lt.run(weights, np.ones((3, 2)), cell="toy")
    assert trace.header.options == {"bias": "one"}
    assert "with 2 units reads 3 steps" in trace.report()  # without strings, as a cell given by its equations
    with pytest.raises(lt.LstmTraceError, match="'W_xe': it is a weight of cell: toy"):
        lt.prepare({"W_xi": np.eye(2), "W_hi": np.eye(2), "W_xe": np.eye(2)})
