"""Addresses as they are printed: `c_2[1]`, `W_xi[2,3]`, `h_T`, `c_0[1]`, `∂L/∂c_2[1]`.

The rule: an address with a slash, `1/c_t[0]`, counts from 0. An address without one is as printed, and counts as the
problem does (`count_from`): if that is from 1, `c_2[1]` is `1/c_t[0]`. The slash of a gradient, `∂L/∂W_xi` or
`dL/dW_xi`, separates nothing. A name that the trace has is that name, even if it ends in a number. `T` is the last
step; a line whose name does not end in `_t` has the step behind its name, `z_i_2[1]`.

A printed address is translated where it enters, by `slashed`; everything below counts from 0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ..cell.network import MEET, Stage
from ..errors import MissingError
from .address import INITIAL, PARTS, STATE, Address, extents_of, index_text, line_name, no_entry, whole

if TYPE_CHECKING:
    from .trace import Trace

#: A name at a step: `c_2`, `h_T`.
_AT_STEP = re.compile(r"(.+)_(T|0|[1-9][0-9]{0,17})", re.DOTALL)
_GRADIENT = re.compile(r"(?:∂\s*L\s*/\s*∂|dL/d)(?=\w)")
#: A candidate is printed with an accent, c̃_t.
_ACCENT = "\u0303"
_SEVERAL = {"layer": "layers", "direction": "directions", "t": "steps", "b": "sequences"}

Extents = Mapping[str, Sequence[Any]]
Size = tuple[int, ...]


@dataclass(frozen=True)
class PrintedNames:
    """What printed addresses are read against.

    first: the number of the first step and unit. span: the steps. extents: those of a name, as of `Trace.extents`; None
    if there is no such name. gradient: the name of a value's gradient. size: the width of a value, or its rows and
    columns; None if it is not known.
    """

    first: int
    span: range
    extents: Callable[[str], Extents | None]
    gradient: Callable[[str], str | None] = lambda name: None
    size: Callable[[str, Extents], Size | None] = lambda name, there: None

    def slashed(self, text: str, every: bool = False) -> str:
        """The address with a slash; one that has a slash, or whose name is unknown, is unchanged.

        every: whether all sequences may be meant. Raises MissingError for a step or unit that does not exist, and for a
        step of several layers, directions or sequences.
        """
        printed = text.strip()
        mark = _GRADIENT.match(printed)
        inner = printed[mark.end() :] if mark else printed
        name = line_name(inner)
        if "/" in inner or (found := self._found(name, mark is not None)) is None:
            if mark:
                raise MissingError(f"there is no {printed} in the trace; lt.backward(trace) adds the gradients")
            return text
        line, t = found
        if not (self.first or mark or t is not None):
            return text  # both counts agree, and all parts may be left out
        there = {part: values for part in PARTS if (values := (self.extents(line) or {}).get(part))}
        index = self._from_zero(name, line, inner[len(name) :].strip(), there, every)
        if t is not None and "t" in there:
            there["t"] = [t]
        if MEET in there.get("direction", ()):  # without a direction, the merged value is meant
            there["direction"] = [MEET]
        several = {part: values for part, values in there.items() if len(values) > 1}
        if t is None and (every or not several):
            return f"/{line}{index}" if index else line
        if t is not None and every and [*several] == ["b"]:
            return "/".join([*(str(values[0]) for part, values in there.items() if part != "b"), f"{line}{index}"])
        full = "/".join([*(str(values[0]) for values in there.values()), f"{INITIAL.get(line, line)}{index}"])
        if not several:
            return full
        if [*several] == ["t"]:
            begun, index = mark[0] if mark else "", inner[len(name) :]
            each = (f"{begun}{self.at_step(name, end)}{index}" for end in (self.span[0], self.span[-1]))
            raise MissingError(f"{printed} has a value at each step: name one, from {' to '.join(each)}")
        said = " and ".join(f"{len(values)} {_SEVERAL[part]}" for part, values in several.items())
        form = f"{'/'.join(there)}/{line}, which counts from 0"
        raise MissingError(f"{printed}: there are {said}; write {form}: for example {full}")

    def _found(self, name: str, gradient: bool) -> tuple[str, int | None] | None:
        """The value that a name means, or its gradient, and the step, if the name has one; None if it means nothing."""

        def known(one: str) -> str | None:
            value = self.gradient(one) if gradient else one
            return value if value is not None and self.extents(value) is not None else None

        if (line := known(name) or known(_plain(name))) is not None:
            return line, None
        if (match := _AT_STEP.fullmatch(name)) is None:
            return None
        stem, t = match[1], self.span[-1] if match[2] == "T" else int(match[2]) - self.first
        lines = [line for one in (f"{stem}_t", _plain(f"{stem}_t"), stem) if (line := known(one))]
        lines = [line for line in lines if "t" in (self.extents(line) or {})]
        if lines and t in self.span:
            return lines[0], t
        if self.first and (state := known(f"{stem}_prev")):  # if counted from 0, the initial state is not printed so
            there = self.extents(state) or {}
            reverse = any("reverse" in direction for direction in there["direction"])
            if t == (self.span.stop if reverse else self.span.start - 1) and (gradient or "t" not in there):
                return state, self.span[-1 if reverse else 0]
        if not lines:
            return None
        ends = f"{self.span[0] + self.first} to {self.span[-1] + self.first}"
        raise MissingError(f"there is no {name}: steps are counted {ends}")

    def at_step(self, name: str, t: int | None, reverse: bool = False) -> str:
        """A name as printed at a step; a state, as before the first step that its stage visits."""
        if name.isidentifier() and name.endswith("_prev"):
            return f"{name.removesuffix('_prev')}_{(self.span.stop if reverse else self.span.start - 1) + self.first}"
        if t is None:
            return name
        stem = f"{name[0]}{_ACCENT}" if name[1:] == "_tilde" else name.removesuffix("_t")
        return f"{stem}_{t + self.first}"

    def _from_zero(self, name: str, line: str, index: str, there: Extents, every: bool) -> str:
        """An index, from 0. Raises MissingError if the value has no such entry. every: whether several may be meant."""
        size = self.size(line, there) if index else None
        parts = [[k for n in re.findall("[0-9]+", part) if (k := whole(n)) is not None] for part in index.split(",")]
        if every and size is not None and len(size) == 1:
            parts = [[k for part in parts for k in part]]
        for end in (min, max) if all(parts) else ():
            entry = [end(part) - self.first for part in parts]
            if min(entry) < 0 or (size is not None and ".." not in index):
                fault = f"there is no {name}{index}: units are counted from {self.first}"
                if size is None or (fault := no_entry(name, entry, size, self.first)):
                    raise MissingError(fault)
        return re.sub("[0-9]+", lambda n: n[0] if (k := whole(n[0])) is None else str(k - self.first), index)


def from_zero(text: str) -> str:
    """An address without a slash that counts from 0 all the same, as those in a file of a trace do."""
    return text if "/" in text else f"/{text}"


def _plain(name: str) -> str:
    """The name of a line in which a candidate has an accent.

    >>> _plain("c\u0303_t"), _plain("c_t")
    ('c_tilde', 'c_t')
    """
    return name.replace(f"{_ACCENT}_t", "_tilde") if name.endswith(f"{_ACCENT}_t") else name


def extents_in(trace: Trace, name: str) -> dict[str, Sequence[Any]] | None:
    """The possible values of each part of an address; None if the trace has no such name."""
    steps, rows = trace.span, range(trace.batch)
    supplied = any(name in here for here in trace.given.values())  # in a part of a trace: the layer below
    if name in ("x", "x_t") and trace.x is not None and not supplied:
        return {"t": steps, "b": rows}
    fed = {s.scope for s in trace.stages if name in s.cell.inputs and s.has(name)}
    if lines := [scope for scope in trace.scopes if scope in fed or name in trace.lines.get(scope, {})]:
        return extents_of(lines, steps, rows)
    state = STATE.get(name, name)
    if initial := [stage.scope for stage in trace.stages if state in stage.cell.states]:
        return extents_of(initial, b=rows)
    for part in (trace.parameters, trace.sums):
        if scopes := [scope for scope, here in part.items() if name in here]:
            return extents_of(scopes)
    return None


def names_of(trace: Trace) -> PrintedNames:
    """What printed addresses are read against in a trace."""

    def gradient(name: str) -> str | None:
        state = STATE.get(name, name)
        return next((new for stage in trace.stages if (new := stage.cell.gradient_of.get(state))), None)

    def size(name: str, there: Extents) -> Size | None:
        if "layer" not in there:
            return None if trace.x is None else trace.x.shape[2:]
        name = STATE.get(name, name)
        scopes = [f"{layer}/{direction}" for layer in there["layer"] for direction in there["direction"]]
        arrays = [(axes, scope, getattr(trace, part).get(scope, {})) for part, axes in _AXES for scope in scopes]
        found = {trace.grid(scope, name) or here[name].shape[axes:] for axes, scope, here in arrays if name in here}
        return found.pop() if len(found) == 1 else None

    return PrintedNames(trace.header.count_from, trace.span, partial(extents_in, trace), gradient, size)


#: The parts of a trace with arrays by scope, and the number of their axes before those of a value.
_AXES = (("lines", 2), ("parameters", 0), ("sums", 0), ("given", 2), ("initial", 1))


def names_of_stages(
    stages: Sequence[Stage], span: range, batch: int, first: int,
    size: Callable[[str, Extents], Size | None] = lambda name, there: None,
) -> PrintedNames:  # fmt: skip
    """What the addresses of lines are read against before a run."""

    def extents(name: str) -> Extents | None:
        lines = [stage.scope for stage in stages if stage.has(name)]
        weights = [stage.scope for stage in stages if name in stage.cell.parameters]
        return extents_of(lines, span, range(batch)) if lines else extents_of(weights) if weights else None

    return PrintedNames(first, span, extents, size=size)


def slashed(trace: Trace, text: str, every: bool = False) -> str:
    """An address as one that counts from 0; see the rule above, and `PrintedNames.slashed`.

    >>> import lstm_trace as lt
    >>> problem = {"cell": {"equations": "c_t = c_prev + x_t\\ncarry: c_prev <- c_t\\noutput: c_t"}, "weights": {},
    ...            "x": [[1.0, 3.0], [2.0, 4.0]], "count_from": 1}
    >>> trace = lt.run(problem)
    >>> slashed(trace, "c_2[1]"), slashed(trace, "c_T"), slashed(trace, "c_0[2]"), slashed(trace, "1/c_t[0]")
    ('0/forward/1/0/c_t[0]', '0/forward/1/0/c_t', '0/forward/0/c0[1]', '1/c_t[0]')
    """
    return names_of(trace).slashed(ours(trace, text), every)


def ours(trace: Trace, text: str) -> str:
    """An address with our name of a line or weight that only the author's own code calls so."""
    name = line_name(text)
    found = [one for one, called in trace.header.aliases.items() if called == name]
    known = len(found) != 1 or any(name in stage.cell.parameters or stage.has(name) for stage in trace.stages)
    return text if known else found[0].join(text.rsplit(name, 1))


def printed(trace: Trace, address: Address | str) -> str:
    """The address of one value as printed, counted as the problem counts; `slashed` reads it.

    A value whose printed name is not unique, because there are several layers, directions or sequences, keeps its
    address with slashes, which counts from 0.

    >>> import lstm_trace as lt
    >>> problem = {"weights": {"W_xi": [[0.5]], "W_hi": [[0.25]]}, "x": [[1.0]], "ask": ["i_t"], "count_from": 1}
    >>> trace = lt.run(problem)
    >>> [printed(trace, text) for text in ("0/forward/0/0/i_t[0]", "0/forward/W_xi[0,0]", "0/forward/0/h0[0]")]
    ['i_1', 'W_xi[1,1]', 'h_0']
    """
    with suppress(MissingError):
        found, known = trace.locate(str(address)), names_of(trace)
        stage = next((one for one in trace.stages if found.layer is not None and one.scope == found.scope), None)
        names, mark = [STATE.get(found.line, found.line)], ""
        if stage is not None and stage.is_adjoint:
            names, mark = [n for n, new in stage.cell.gradient_of.items() if new == found.line], "∂L/∂"
        size = known.size(found.line, trace.extents(found.line))
        entry = None if size == (1,) else found.unit
        reverse = "reverse" in (found.direction or "")
        index = "" if entry is None else index_text(entry, found.columns, known.first)
        for name in names:
            text = f"{mark}{known.at_step(name, found.t, reverse)}{index}"
            with suppress(MissingError):
                if trace.locate(text) == found._replace(unit=entry):
                    return text
    return str(address)
