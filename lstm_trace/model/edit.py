"""A trace with changed premises: rerun as it was, or through its problem if the network changes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..base.arrays import Array, to_list
from ..cell.network import VALID, Stage, forward_stages, layer_and_direction, scope_and_name
from ..cell.parse import parse
from ..cell.variants import masked
from ..engine.inputs import given_lines, initial_states, numbers, sequence
from ..engine.run import rerun
from ..errors import CellError, MissingError, OptionError, ShapeError, raise_all
from ..trace.address import INITIAL, STATE, Address, line_name
from ..trace.argument_types import checked, misfit
from ..trace.edited import put
from ..trace.held import held_faults
from ..trace.labels import readout
from ..trace.printed import names_of, slashed
from ..trace.trace import Trace
from .model import NETWORK, Model
from .problem import added_text, own_text, problem
from .sources import prepare

#: Premises that define the valid steps; they can only be changed as a whole.
PADDED = ("lengths", "mask")


@checked
def edit(
    trace: Trace, edits: Any, equations: str | None = None, before: Callable[[Model], None] | None = None
) -> Trace:
    """Return the trace that results from changed premises; the original is not modified.

    New values of the same shape keep the stages, the plan, the arithmetic and the adjoints. An x with another number of
    steps, weights of another shape, a new weight or new equations change the network; it is then built from the problem
    with these changes (see `lt.problem`), without adjoints. Sequences that are longer than a shorter x end with it.

    Args:
        trace: any trace that contains its premises.
        edits: the changes, by address: `0/forward/W_xi[1,2]`, `3/0/x_t[0]`, `0/forward/0/h0[1]`, or in a supplied line
            `0/forward/3/0/f_t[1]`, or as printed, `x_3[1]`, to a number; without the unit, or with fewer parts, to an
            array of everything that the address names: `W_xi`, `x`, `h0`, `3/0/x_t`, `lengths`. A mapping, which has
            each value once, or pairs, of which later ones win.
        equations: equations of a cell that replaces this one, written as in a problem, or as in a stage. Weights,
            initial states and supplied lines that they do not use are left out; states that they add start at zero.
            Symbols and labels stay.
        before: called with the model of a changed network before it is run, for example to reject one that is too
            large.

    Returns:
        The new trace, with all lines.

    Raises:
        MissingError: for an address that is not a premise of the trace.
        ShapeError: for a value that does not fit, or a weight that is not finite.
        OptionError: if a mapping has the same value under two addresses.
        CellError: for invalid equations, with a caret below the position.

    >>> import lstm_trace as lt
    >>> trace = lt.run({"W_xi": [[0.5, -1.0]], "W_hi": [[0.25]]}, [[1.0, 2.0]], ask="i_t")
    >>> edit(trace, {"W_xi[0,1]": 0.0, "x_t[0]": -1.0})["i_t"].round(8), trace["i_t"].round(8)
    (array([[[0.37754067]]]), array([[[0.18242552]]]))
    >>> edit(trace, {"i_t[0]": 0.0})
    Traceback (most recent call last):
    ...
    lstm_trace.errors.MissingError: i_t is computed, and only premises can be edited: W_xi, W_hi, x_t, h0
    """
    pairs = edits.items() if isinstance(edits, Mapping) else edits
    if isinstance(edits, str) or not isinstance(pairs, Iterable):
        raise misfit("edits", "a mapping of addresses to numbers or arrays", edits)
    changes = Changes(trace, {*re.findall(r"\w+", equations or "")})
    places: dict[Any, str] = {}
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2 or not isinstance(pair[0], str):
            raise misfit("edits", "pairs of an address and a number or array", pair)
        if isinstance(edits, Mapping):
            with suppress(MissingError):  # what cannot be located is new, or `take` says why
                place = trace.locate(slashed(trace, pair[0], every=True), every=True)
                place = place._replace(b=0 if trace.batch == 1 else place.b)
                if (other := places.setdefault(place, pair[0])) != pair[0]:
                    raise OptionError(f"{other} and {pair[0]} are the same value; give it once")
        changes.take(*pair)
    new, header = changes.trace, replace(trace.header, agreement=())  # other numbers were compared
    raise_all(ShapeError, held_faults(new))
    if not changes.larger and equations is None:
        old = replace(trace, header=header)
        return rerun(old, x=new.x, initial=new.initial, given=new.given, parameters=new.parameters)
    data = problem(replace(new, header=header)) | {"title": header.title_tex or header.title}
    if equations is not None:
        _replace_cell(data, *_written(trace, equations, data.get("extra", "")))
    _apply(data, changes.larger)
    if "x" in changes.larger:
        _fit(data, trace, changes.larger)
    model = prepare(data, allow_nonfinite=True)
    if before is not None:
        before(model)
    return model.run()


@dataclass
class Changes:
    """A trace with other premises of the same shapes, and its lines as they were; larger: what changes its network.

    words: the names in new equations, which are those of the author even where textbooks have them.
    """

    trace: Trace
    words: set[str] = field(default_factory=set)
    larger: dict[str, Any] = field(default_factory=dict)

    def take(self, text: str, value: Any) -> None:
        """Change the value at an address. Raises MissingError, ShapeError."""
        own = line_name(text) in self.words
        text = names_of(self.trace).slashed(text, every=True) if own else slashed(self.trace, text, every=True)
        name, trace = line_name(text), self.trace
        if name in PADDED and text.strip() == name:
            self.larger[name] = np.asarray(value).tolist() if hasattr(value, "__array__") else value
            return
        array = numbers(value, text, trace.header.dtype)
        states = {state for stage in trace.stages for state in stage.cell.states}
        is_input, is_state = name in ("x", "x_t") and trace.x is not None, STATE.get(name, name) in states
        held = (trace.parameters, trace.lines, trace.given, trace.initial)
        if not (is_input or is_state or any(name in here for part in held for here in part.values())):
            self._add(text, array)
            return
        address = trace.locate(text, every=True)
        rows = address.unit is None and (address.b is None or trace.batch == 1) and array.ndim > 0
        whole = rows and (address.t is None or trace.steps == 1)
        if is_input:
            self._input(text, address, array, whole)
        elif any(name in here for here in trace.parameters.values()):
            self._parameter(text, trace.locate(text), array)
        elif is_state:
            self._state(text, address, array, rows)
        else:
            self._supplied(text, address, array, whole)

    def _input(self, text: str, address: Address, array: Array, whole: bool) -> None:
        header, there = self.trace.header, self.trace.x
        assert there is not None
        values = sequence(array, header.batch_first, header.dtype, there.shape[2])[0] if whole else None
        if values is not None and values.shape == there.shape:
            self.trace = replace(self.trace, x=values, memory=None)
            self.larger.pop("x", None)
        elif whole and "/" not in text:
            self.larger["x"] = to_list(array)
        else:
            self.trace = replace(self.trace, x=put(self.trace, "x", text, there, address, array), memory=None)

    def _parameter(self, text: str, address: Address, array: Array) -> None:
        there = self.trace.parameters[address.scope][address.line]
        if not np.isfinite(array).all() and np.isfinite(there).all():
            raise ShapeError(f"{text}: a weight is a finite number; found {array[~np.isfinite(array)].flat[0]:g}")
        array = array.reshape(there.shape) if address.unit is None and array.size == there.size == 1 else array
        if address.unit is None and there.ndim and not array.ndim:
            raise ShapeError(f"{text}: expected an array of shape {there.shape}, found a number")
        if address.unit is None and array.shape != there.shape:
            self._add(f"{address.scope}/{address.line}", array)
        else:
            self._put_into("parameters", address.scope, address.line, text, address, array)
            self.larger.pop(f"{address.scope}/{address.line}", None)

    def _state(self, text: str, address: Address, array: Array, whole: bool) -> None:
        trace, state = self.trace, STATE.get(address.line, address.line)
        scopes = self._scopes(address, lambda stage: state in stage.cell.states)
        if unread := [scope for scope in scopes if state not in trace.initial.get(scope, {})]:
            raise MissingError(f"{text}: no computed line reads the initial state of {', '.join(unread)}")
        if whole:
            if array.shape[-2:] == trace.grid(scopes[0], state):
                array = array.reshape(*array.shape[:-2], -1)
            rows = initial_states({state: array}, {state: scopes}, trace.batch, trace.header.dtype)[state]
            for scope, values in rows.items():
                self._set("initial", scope, state, values)
        else:
            scope = self._only(scopes, text, address.line)
            self._put_into("initial", scope, state, text, address._replace(t=None), array)

    def _supplied(self, text: str, address: Address, array: Array, whole: bool) -> None:
        trace, name = self.trace, address.line
        scope = self._only(self._scopes(address, lambda stage: stage.has(name)), text, name)
        if name not in trace.given.get(scope, {}):
            raise MissingError(f"{name} is computed, and only premises can be edited: {self._premises()}")
        if whole:
            header = trace.header
            layout = trace.steps, trace.batch, header.batched, header.batch_first, header.dtype, trace.stages
            self._set("given", scope, name, given_lines({f"{scope}/{name}": array}, *layout)[scope][name])
        else:
            self._put_into("given", scope, name, text, address, array)

    def _put_into(self, part: str, scope: str, name: str, text: str, address: Address, array: Array) -> None:
        """Put other numbers into an array of the trace."""
        there = getattr(self.trace, part)[scope][name]
        self._set(part, scope, name, put(self.trace, part, text, there, address, array))

    def _set(self, part: str, scope: str, name: str, values: Array) -> None:
        there = getattr(self.trace, part)
        changed: Any = {part: {**there, scope: {**there[scope], name: values}}}
        self.trace = replace(self.trace, memory=None, **changed)

    def _scopes(self, address: Address, holds: Callable[[Stage], bool]) -> list[str]:
        """The stages that an address may mean, among those that contain the named value."""
        return [
            stage.scope
            for stage in filter(holds, self.trace.stages)
            if address.layer in (None, stage.layer) and address.direction in (None, stage.direction)
        ]

    def _only(self, scopes: list[str], text: str, name: str) -> str:
        if len(scopes) > 1:
            raise MissingError(f"{text} is in {', '.join(scopes)}: write {scopes[0]}/{name}")
        return scopes[0]

    def _add(self, text: str, array: Array) -> None:
        """Add a weight that is missing, or replace one by another shape."""
        scope, name = scope_and_name(text)
        if name != line_name(text) or not (name.isidentifier() and array.ndim):
            self.trace.locate(text)  # raises, and suggests the nearest name
            raise MissingError(f"{text}: the trace has no such premise; it has {self._premises()}")
        if not np.isfinite(array).all():
            raise ShapeError(f"{text}: a weight is an array of finite numbers")
        self.larger[f"{scope}/{name}" if scope else name] = to_list(array)

    def _premises(self) -> str:
        """The names of the premises, for messages."""
        trace = self.trace
        names = [name for here in trace.parameters.values() for name in here]
        names += ["x_t"] if trace.x is not None else []
        names += [INITIAL.get(name, name) for here in trace.initial.values() for name in here]
        names += [name for here in trace.given.values() for name in here]
        return ", ".join(dict.fromkeys([*names, *([trace.padded] if trace.padded else [])]))


def _fit(data: dict[str, Any], trace: Trace, larger: Mapping[str, Any]) -> None:
    """Adapt to the steps and sequences of another x: new steps have no labels, and sequences end where x does."""
    shape = np.shape(data["x"])
    steps, batch = (shape[1], shape[0]) if len(shape) == 3 and trace.header.batch_first else (*shape, 1)[:2]
    rows = [list(row[:steps]) + [""] * (steps - len(row)) for row in trace.header.step_labels]
    if len(rows) > 1:
        rows = rows[:batch] + [[""] * steps for _ in range(batch - len(rows))]
    if rows and "names" in data:
        data["names"] = {**data["names"], "t": rows}
    if "lengths" in data and not larger.keys() & {*PADDED}:
        data["lengths"] = [min(length, steps) for length in data["lengths"]]


def _apply(data: dict[str, Any], larger: Mapping[str, Any]) -> None:
    """Put into a problem the changes that affect its network."""
    weights = data["weights"]
    alone = not any("/" in key for key in [*weights, *data.get("given", ())])
    for key, value in larger.items():
        if key in ("x", *PADDED):
            data.pop("mask" if key == "lengths" else "lengths" if key == "mask" else "", None)
            data[key] = value
        else:
            scope, name = scope_and_name(key)
            single = alone and (not scope or layer_and_direction(scope)[0] == 0)
            weights[name if single else key] = value


def _written(trace: Trace, equations: str, extra: str) -> tuple[str, str]:
    """The equations of the cell in a text, and those that the last stage adds. Raises CellError.

    The text of a stage contains both and, for padding, the lines that hold the states, which belong to the network and
    not to the cell. extra: the equations that the last of several stages has added so far; for a single stage, the text
    contains them all.
    """
    cell = parse(equations)
    if cell.plain is not None:  # a stage's equations; its holds are kept separately
        return _written(trace, cell.plain.text, extra)
    if halves := [name for name in cell.inputs if name in ("y_forward", "y_reverse")]:
        said = f"the equations read {' and '.join(halves)}: they merge the two directions, as set by the option merge"
        raise CellError(f"{said}; change the equations of a direction, {trace.stages[0].scope} for example")
    alone = len(forward_stages(trace.stages)) == 1
    if trace.header.padding is not None and VALID in cell.inputs and cell.output in cell.by_name:
        own = own_text(cell, padded=True)
        behind = list(cell.equations)[list(cell.equations).index(cell.output) + 1 :]
        added = added_text(masked(parse(own), trace.header.padding, behind), cell)
        return own, added if added or alone else extra
    declared = [row for row in extra.splitlines() if row.startswith("input:")]
    names = {row.partition("=")[0].strip() for row in extra.splitlines() if "=" in row and row not in declared}
    if alone or not names & cell.equations.keys():
        return equations, "" if alone else extra
    rows = equations.splitlines()
    moved = [row for row in rows if row.partition("=")[0].strip() in names]
    return "".join(f"{row}\n" for row in rows if row not in moved), "".join(f"{row}\n" for row in (*declared, *moved))


def _replace_cell(data: dict[str, Any], equations: str, extra: str) -> None:
    """Put other equations into a problem, and leave out everything that they do not use. Raises MissingError."""
    cell = parse(equations)
    spec = data.get("cell", {})
    data.pop("notation", None)
    data["cell"] = {"equations": equations, **{key: spec[key] for key in NETWORK if key in spec}}
    words = {*re.findall(r"\w+", extra), *cell.parameters}
    known = {*words, *cell.by_name, *cell.inputs}
    states = {INITIAL.get(state, state) for state in cell.states}
    data["extra"], before = extra, _scopes(data)
    data["weights"] = {key: a for key, a in data["weights"].items() if scope_and_name(key)[1] in words}
    data["initial"] = {name: a for name, a in data.get("initial", {}).items() if name in states}
    data["given"] = {key: a for key, a in data.get("given", {}).items() if scope_and_name(key)[1] in known}
    if lost := ", ".join(sorted(before - _scopes(data))):
        said = "use no weight and no supplied line of the trace, so that nothing says that there is such a layer"
        raise MissingError(f"in {lost} the equations {said}")
    data["ask"] = [text for text in data.get("ask", ()) if line_name(text) in known]
    for short in STATE:
        if short not in states:
            data.pop(short, None)
    if "y" in data.get("names", {}) and not extra and not readout(cell):
        data["names"] = {key: labels for key, labels in data["names"].items() if key != "y"}


def _scopes(data: Mapping[str, Any]) -> set[str]:
    """The layers and directions that the weights and the supplied lines of a problem name."""
    return {scope for part in ("weights", "given") for key in data.get(part, ()) if (scope := scope_and_name(key)[0])}
