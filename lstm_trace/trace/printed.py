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
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ..cell.network import MEET, Stage
from ..cell.notations import called_in, spellings
from ..errors import MissingError
from .address import INITIAL, PARTS, STATE, Address, extents_of, index_text, line_name, no_entry, whole

if TYPE_CHECKING:
    from .trace import Header, Trace

#: A name at a step: `c_2`, `h_T`.
_AT_STEP = re.compile(r"(.+)_(T|0|[1-9][0-9]{0,17})", re.DOTALL)
_GRADIENT = re.compile(r"(?:∂\s*L\s*/\s*∂|dL/d)(?=\w)")
#: A candidate is printed with an accent, c̃_t.
_ACCENT = "\u0303"
_SEVERAL = {"layer": "layers", "direction": "directions", "t": "steps", "b": "sequences"}

Extents = Mapping[str, Sequence[Any]]
#: The width of a value, or its rows and columns; None if unknown.
Size = tuple[int, ...] | None


@dataclass(frozen=True)
class PrintedNames:
    """What printed addresses are read against.

    first: the number of the first step and unit. span: the steps. extents: those of a name, as of `Trace.extents`; None
    if there is no such name. size: that of a name with its extents. gradient: the name of a value's gradient.
    """

    first: int
    span: range
    extents: Callable[[str], Extents | None]
    size: Callable[[str, Extents], Size] = lambda name, there: None
    gradient: Callable[[str], str | None] = lambda name: None

    def slashed(self, text: str, every: bool = False) -> str:
        """The address with a slash; one that has a slash, or whose name is unknown, is unchanged.

        every: whether all sequences may be meant. Raises MissingError for a step or unit that does not exist, and for a
        step of several layers, directions or sequences.
        """
        printed = text.strip()
        mark = _GRADIENT.match(printed)
        inner = printed[mark.end() :] if mark else printed
        name = line_name(inner)
        found = None if "/" in inner else self._found(name, self.gradient if mark else str)
        if mark and found is None:
            raise MissingError(
                f"there is no {printed} in the trace: lt.backward(trace, of=…) adds gradients of a value or loss; on "
                "the command line, lstm-trace explain gradient … --of VALUE, or export … --gradient-of VALUE"
            )
        if found is None:
            return text
        if not (self.first or mark or found[2] is not None):
            return text.replace(name, found[0], 1)  # without a step, it says the same from 0
        line, there, t = found
        typed = inner[len(name) :].strip()
        index = self._from_zero(name, typed, self.size(line, there) if typed else None, every)
        if MEET in there.get("direction", ()):  # without a direction, the merged value is meant
            there["direction"] = [MEET]
        several = [part for part in PARTS if len(there.get(part, ())) > 1]
        if t is None and (every or not several):
            return f"/{line}{index}" if index else line
        if several == ["t"]:
            each = (f"{mark[0] if mark else ''}{self.at_step(name, self.span[end])}{typed}" for end in (0, -1))
            raise MissingError(f"{printed} has a value at each step: name one, from {' to '.join(each)}")
        if every and several == ["b"]:
            del there["b"], several[0]
        given = [part for part in PARTS if part in there]
        full = "/".join([*(str(there[part][0]) for part in given), f"{INITIAL.get(line, line)}{index}"])
        if several:
            said = " and ".join(f"{len(there[part])} {_SEVERAL[part]}" for part in several)
            form = f"{'/'.join(given)}/{line}, which counts from 0"
            raise MissingError(f"{printed}: there are {said}; write {form}: for example {full}")
        return full

    def _found(
        self, name: str, meant: Callable[[str], str | None]
    ) -> tuple[str, dict[str, Sequence[Any]], int | None] | None:
        """The value that a name means, its extents, and the step, if the name has one; None if it means nothing.

        meant: the value itself, or its gradient. An initial state has the step that reads it.
        """

        def known(*names: str) -> list[tuple[str, dict[str, Sequence[Any]]]]:
            values = filter(None, map(meant, names))
            return [(value, dict(there)) for value in values if (there := self.extents(value)) is not None]

        if named := known(name, _plain(name)):
            return *named[0], None
        if (match := _AT_STEP.fullmatch(name)) is None:
            return None
        stem, t = match[1], self.span[-1] if match[2] == "T" else int(match[2]) - self.first
        lines = [(line, there) for line, there in known(f"{stem}_t", _plain(f"{stem}_t"), stem) if "t" in there]
        if lines and t in self.span:
            return lines[0][0], lines[0][1] | {"t": [t]}, t
        for state, there in known(f"{stem}_prev") if self.first else ():  # from 0 it is not printed with a number
            at, before = (self.span[-1], 1) if "reverse" in there["direction"][0] else (self.span[0], -1)
            if t == at + before and (meant is not str or "t" not in there):
                return state, there | {"t": [at]} if "t" in there else there, at
            if t == at + before:  # before a run
                said = f"{name} is the initial state, which is given, not computed"
                raise MissingError(f"{said}; change {INITIAL.get(state, state)} in the problem")
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

    def _from_zero(self, name: str, index: str, size: Size, every: bool) -> str:
        """An index, from 0. Raises MissingError if the value has no such entry. every: whether several may be meant."""
        parts = [[k for n in re.findall("[0-9]+", part) if (k := whole(n)) is not None] for part in index.split(",")]
        if every and size is not None and len(size) == 1:
            parts = [[k for part in parts for k in part]]
        for end in (min, max) if all(parts) else ():
            entry = [end(part) - self.first for part in parts]
            if size is None and min(entry) < 0:
                raise MissingError(f"there is no {name}{index}: units are counted from {self.first}")
            if size is not None and (every or ".." not in index) and (fault := no_entry(name, entry, size, self.first)):
                raise MissingError(fault)
        return re.sub("[0-9]+", lambda n: n[0] if (k := whole(n[0])) is None else str(k - self.first), index)


def counted_from(trace: Trace, first: int | None) -> Trace:
    """The trace with another number of the first step and unit; as it is if that is None."""
    return trace if first is None else replace(trace, header=replace(trace.header, count_from=first))


def from_zero(text: str) -> str:
    """An address without a slash that counts from 0 all the same, as those in a file of a trace do."""
    return text if "/" in text else f"/{text}"


def counts_from(trace: Trace, text: str) -> int:
    """The number of the first step and unit in an address."""
    return 0 if "/" in _GRADIENT.sub("", text.strip(), count=1) else trace.header.count_from


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

    def size(name: str, there: Extents) -> Size:
        if "layer" not in there:
            return None if trace.x is None else trace.x.shape[2:]
        scope, state = f"{there['layer'][0]}/{there['direction'][-1]}", STATE.get(name, name)
        values = trace.sums.get(scope, {}).get(name)
        values = trace.operand(scope, state, slice(1)) if values is None else values
        if values is None or len(there["layer"]) > 1:
            return None
        return trace.grid(scope, state) or values.shape[2 if "b" in there else 0 :]

    return PrintedNames(trace.header.count_from, trace.span, partial(extents_in, trace), size, gradient)


def names_of_stages(
    stages: Sequence[Stage], span: range, batch: int, first: int,
    size: Callable[[str, Extents], Size] = lambda name, there: None,
) -> PrintedNames:  # fmt: skip
    """What the addresses of lines are read against before a run."""

    def extents(name: str) -> Extents | None:
        lines = [stage.scope for stage in stages if stage.has(name)]
        weights = [stage.scope for stage in stages if name in stage.cell.parameters]
        return extents_of(lines, span, range(batch)) if lines else extents_of(weights) if weights else None

    return PrintedNames(first, span, extents, size)


def slashed(trace: Trace, text: str, every: bool = False) -> str:
    """An address as one that counts from 0; see the rule above, and `PrintedNames.slashed`.

    >>> import lstm_trace as lt
    >>> problem = {"cell": {"equations": "c_t = c_prev + x_t\\ncarry: c_prev <- c_t\\noutput: c_t"}, "weights": {},
    ...            "x": [[1.0, 3.0], [2.0, 4.0]], "count_from": 1}
    >>> trace = lt.run(problem)
    >>> slashed(trace, "c_2[1]"), slashed(trace, "c_T"), slashed(trace, "c_0[2]"), slashed(trace, "1/c_t[0]")
    ('0/forward/1/0/c_t[0]', '0/forward/1/0/c_t', '0/forward/0/c0[1]', '1/c_t[0]')
    """
    own = ours(trace.header, trace.stages, text)
    if trace.header.notation is not None:
        _not_transposed(trace, own.strip(), every)
    return names_of(trace).slashed(own, every)


def _not_transposed(trace: Trace, text: str, every: bool) -> None:
    """Raise MissingError for an entry, or an edit, of a matrix that the notation of the trace prints transposed."""
    name = line_name(inner := _GRADIENT.sub("", text, count=1))
    forms = (one for one in spellings(trace.header.kind) if one.notation == trace.header.notation)
    grid = any(here[name].ndim == 2 for here in trace.parameters.values() if name in here)
    if not grid or "/" in inner or not (every or "[" in inner) or not any(one.transposed for one in forms):
        return
    index = re.findall("[0-9]{1,9}", inner[len(name) :])
    ours = ",".join(str(int(k) - trace.header.count_from) for k in reversed(index))
    said = f"{text}: {name} is printed transposed in the notation {trace.header.notation}"
    known = names_of(trace).gradient(name) if inner != text else name
    raise MissingError(f"{said}; write /{known}{f'[{ours}]' * bool(index)}, with our rows and columns, from 0")


def place_of(trace: Trace, text: str) -> Address | None:
    """What a printed address names, if it has a place; None for a mere name, and for what names nothing."""
    with suppress(MissingError):
        if line_name(full := slashed(trace, text, every=True)) != text.strip():
            return trace.locate(full, every=True)
    return None


def selecting(trace: Trace, text: str) -> str:
    """How the place of a printed address is selected where lines are named, as a message; empty if it has none."""
    at = place_of(trace, text)
    places = {} if at is None else {"steps": at.t, "unit": None if at.unit is None else at.unit[0]}
    given = {part: place for part, place in places.items() if place is not None}
    if at is None or not given:
        return ""
    options = "".join(f" --{part} {place + trace.header.count_from}" for part, place in given.items())
    python = "".join(f", {part}={place}" for part, place in given.items())
    return (
        f"{text!r} has a place, and a line is expected: --only {at.line!r}{options}, in Python only={at.line!r}{python}"
    )


def ours(header: Header, stages: Sequence[Stage], text: str) -> str:
    """An address with our name of a line or weight that only the author's own code, the notation of the problem, or,
    of a weight, textbooks that mean the same by it, call so.

    >>> import lstm_trace as lt
    >>> problem = {"weights": {"W_ig": [[0.5]], "W_hg": [[0.25]]}, "x": [[1.0]], "ask": ["g_t"], "notation": "pytorch"}
    >>> trace = lt.run(problem)
    >>> [ours(trace.header, trace.stages, text) for text in ("W_ig[0,0]", "g_0", "0/g_t")]
    ['W_xc[0,0]', 'c_tilde_0', '0/c_tilde']
    """
    if any(text in stage.cell.by_name for stage in stages):  # the usual case, in which nothing else is looked at
        return text
    name, by_author = line_name(text), dict[str, set[str]]()
    at_step = _AT_STEP.fullmatch(name)
    own_names = {name} if at_step is None else {name, at_step[1], f"{at_step[1]}_t"}
    if any(one in stage.cell.parameters or stage.has(one) for one in own_names for stage in stages):
        return text
    for own, called in header.aliases.items():
        by_author.setdefault(called, set()).add(own)
    for called in [name] if at_step is None else [name, f"{at_step[1]}_t", at_step[1]]:
        for known in (by_author, called_in(header.kind, header.notation), called_in(header.kind, None)):
            if len(found := [*known.get(called, ())]) == 1:
                own = found[0]
                own = own if called == name or at_step is None else f"{own.removesuffix('_t')}_{at_step[2]}"
                return own.join(text.rsplit(name, 1))
    return text


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
        if stage is not None and (of := [n for n, new in stage.cell.gradient_of.items() if new == found.line]):
            names, mark = of, "∂L/∂"
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
