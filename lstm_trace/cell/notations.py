"""The notations of textbooks and programs: one table (notations.toml) for reading weights and for printing symbols."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from typing import Any, Literal

from ..base.packaged import packaged

#: The rows of the table, for type checkers.
NotationName = Literal["exercise", "joined", "pytorch", "keras", "goodfellow", "olah", "cho", "d2l"]
#: Our names of a gate's weights, by role.
_OURS = {"input": "W_x{}", "recurrent": "W_h{}", "bias": "b_{}", "bias_x": "b_x{}", "bias_h": "b_h{}"}
#: What else has the letter of a gate: pre-activations, peepholes, and what normalisation adds.
_LETTERED = ("z_{}", "w_c{}", "d_{}", "s_{}", "n_{}", "y_{}", "gamma_{}", "beta_{}")


@dataclass(frozen=True, eq=False)
class Spelling:
    """One way to write the names of a cell in a notation.

    weights: each of its names to ours; that of a joined matrix to the two that are side by side. lines: our names of
    everything else to its own. joined: whether a matrix multiplies [h; x]. transposed: whether matrices are (columns,
    rows). options: of the cell, implied by the names. remarks: by option, what is to be known unless it is given.
    reset_after: with which biases a GRU multiplies by the reset gate after the product ("none", "one", "two").
    """

    notation: str
    cell: str
    weights: Mapping[str, tuple[str, ...]]
    lines: Mapping[str, str]
    joined: bool = False
    transposed: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    remarks: Mapping[str, str] = field(default_factory=dict)
    reset_after: tuple[str, ...] = ()

    @property
    def names(self) -> dict[str, str]:
        """Our names of weights to its own; the first of several."""
        found: dict[str, str] = {}
        for name, whole in self.weights.items():
            found |= {ours: name for ours in whole if ours not in found}
        return found


def notations() -> dict[str, dict[str, Any]]:
    """The rows of the table by name."""
    return packaged("cell/notations.toml")


def cells_of(notation: str) -> str:
    """The cells that a notation has names for, in words."""
    nouns = {"lstm": "an LSTM", "gru": "a GRU", "rnn": "a plain RNN"}
    return " and ".join(noun for cell, noun in nouns.items() if cell in notations()[notation])


@cache
def called_in(cell: str, notation: str | None) -> dict[str, set[str]]:
    """Our names of the lines and weights that a notation calls otherwise and whose entries have the same places; if it
    is None, of the weights in any of them, several for a name with several meanings.

    >>> called_in("gru", "cho")["U_z"], called_in("gru", "keras").get("kernel_z"), called_in("gru", None)["W_in"]
    ({'W_hu'}, None, {'W_xh'})
    """
    found: dict[str, set[str]] = {}
    for one in spellings(cell):
        if notation in (None, one.notation):
            lines, names = one.lines if notation else {}, {} if one.joined or one.transposed else one.names
            for ours, theirs in chain(lines.items(), names.items()):
                found.setdefault(theirs, set()).update({ours} - {theirs})
    return found


@cache
def spellings(cell: str) -> tuple[Spelling, ...]:
    """Every spelling of a cell's names; the first of each notation is the one that is printed."""
    return tuple(
        _spelling(name, cell, form, letters)
        for name, row in notations().items()
        for form in row["forms"]
        for letters in row.get(cell, {}).get("letters", ())
    )


def _spelling(notation: str, cell: str, form: Mapping[str, Any], letters: Mapping[str, str]) -> Spelling:
    own, joined = notations()[notation][cell], form.get("joined")
    roles: dict[tuple[str, ...], str] = {
        (ours,): form.get(role, ours) for role, ours in _OURS.items() if not joined or role.startswith("bias")
    }
    roles |= {("W_h{}", "W_x{}"): joined} if joined else {}
    weights = {
        _named(template, letter, gate): tuple(one.format(gate) for one in ours)
        for gate, known in letters.items()
        for letter in known.split()
        for ours, template in roles.items()
    }
    first = {gate: known.split()[0] for gate, known in letters.items()}
    lines = {one.format(gate): one.format(first[gate].replace("-", gate)) for gate in first for one in _LETTERED}
    lines |= {f"W_{gate}": _named(joined, letter, gate) for gate, letter in first.items() if joined}
    lines |= own.get("lines", {})
    said, after = own.get("remarks", {}), tuple(form.get("reset_after", ()))
    options = own.get("options", {})
    return Spelling(notation, cell, weights, lines, bool(joined), "transposed" in form, options, said, after)


def _named(template: str, letter: str, gate: str) -> str:
    """A name with the letter of a gate; without a letter, what is before it, or our letter if no more is left to tell.

    >>> _named("U_{}", "f", "f"), _named("U_{}", "-", "c"), _named("b_x{}", "-", "c")
    ('U_f', 'U', 'b_xc')
    """
    return template.removesuffix("_{}").format(gate) if letter == "-" else template.format(letter)
