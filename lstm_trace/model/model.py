"""A prepared model: weights checked and copied once, the network laid out once per kind of input and request."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from ..base.arrays import Array
from ..base.conveniences import Convenience
from ..base.writing import spare
from ..cell.lines import Cell
from ..cell.named_cells import CellName
from ..cell.network import Stage, extent, stack
from ..cell.shapes import grids
from ..cell.variants import Merge, Padding
from ..engine.inputs import RunInputs, fed
from ..engine.memory import MOST_KEPT, InMemory, Pool, Work
from ..engine.plan_choice import Choice, check_choice, choose, in_arithmetic, plan_texts
from ..engine.request import ModelSpec, RecordChoice, Request, lay_out, read_record, requested, require_padded
from ..engine.run import Check, Progress, RunJob, WriteLock, by_plan
from ..errors import Faults, LstmTraceError, MissingError, OptionError, ShapeError, calling, raise_all, reworded, within
from ..trace.address import INITIAL, STATE
from ..trace.argument_types import checked, listed
from ..trace.chunks import last_states
from ..trace.files.trace_file import load
from ..trace.holding import layers, resolved
from ..trace.printed import names_of_stages, ours
from ..trace.trace import Header, Trace
from ..weights.formats.arrays import tables
from ..weights.read import READERS, Defaults
from .tokens import Split, TokenTable, TokenText, step_rows

#: Options of the network, in addition to those of its cell.
NETWORK = ("merge", "padding", "direction")


class RunArguments(TypedDict, total=False):
    """The arguments of `run` after its source and x, where they are passed on."""

    h0: Any
    c0: Any
    cell: CellName | Mapping[str, Any] | None
    options: Mapping[str, Any] | None
    name: str
    layout: Any
    dtype: Any
    allow_nonfinite: bool
    initial: Mapping[str, Any] | None
    state_from: Trace | str | Path | None
    given: Mapping[str, Any] | None
    hold: Mapping[str, Any] | None
    lengths: Any
    mask: Any
    tokens: Any
    batch_first: bool | None
    ask: Sequence[str] | str | None
    record: Any
    out: Trace | str | Path | None
    plan: Choice
    arithmetic: str | None
    mistake: Sequence[str] | str | None
    progress: Progress | None
    check: Check | None
    vocabulary: Any
    embedding: Any
    unknown: str | None
    split: Split | None
    head: Any


@checked
@dataclass(frozen=True, eq=False, repr=False)
class Model:
    """Weights with their cell, checked once; `run` traces an input. Made by `lstm_trace.prepare`.

    weights: arrays by scope and name, read-only copies of one dtype. reverse: the cell of the reverse direction, if it
    differs (option `reverse`). sources: the files that the weights come from, if any. lookup: x of tokens, for a model
    that is given text.
    """

    __array_ufunc__ = None  # as for a trace

    cell: Cell
    weights: Mapping[str, Mapping[str, Array]]
    header: Header
    merge: Merge = "concat"
    padding: Padding = "zero"
    extra: str = ""
    defaults: Defaults = field(default_factory=Defaults)
    reverse: Cell | None = None
    sources: tuple[str, ...] = ()
    lookup: TokenTable | None = None
    _works: dict[Request, Work] = field(default_factory=dict, repr=False, compare=False)
    _pool: Pool = field(default_factory=Pool, repr=False, compare=False)

    def __repr__(self) -> str:
        count = sum(array.size for here in self.weights.values() for array in here.values())
        return f"<Model {self.header.called}: {', '.join(self._scopes())}; {count:,} weights, {self.header.dtype}>"

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy has the same premises; it creates its own machines and memory."""
        return _restored, ({f.name: getattr(self, f.name) for f in fields(self) if not f.name.startswith("_")},)

    @cached_property
    def layers(self) -> int:
        """Number of layers."""
        return extent(self.weights)[0]

    @cached_property
    def directions(self) -> tuple[str, ...]:
        """The directions of each layer."""
        return extent(self.weights)[1]

    def stages(self, padded: bool = False, given: Mapping[str, Iterable[str]] | None = None) -> tuple[Stage, ...]:
        """The stages of the network, in order of computation.

        Args:
            padded: include the lines that hold the states at padding.
            given: lines that are supplied instead of computed, by `layer/direction`.
        """
        padding = self.padding if padded else None
        return stack(self.cell, self.layers, self.directions, self.merge, padding, self.extra, given, self.reverse)

    def run(
        self, x: Any = None, h0: Any = None, c0: Any = None, *, initial: Mapping[str, Any] | None = None,
        state_from: Trace | str | Path | None = None, given: Mapping[str, Any] | None = None,
        hold: Mapping[str, Any] | None = None, lengths: Any = None, mask: Any = None, tokens: Any = None,
        batch_first: bool | None = None, ask: Sequence[str] | str | None = None, record: Any = None,
        out: Trace | str | Path | None = None, plan: Choice = "auto", arithmetic: str | None = None,
        mistake: Sequence[str] | str | None = None, progress: Progress | None = None, check: Check | None = None,
    ) -> Trace:  # fmt: skip
        """Trace every line over the input. Values are dimensionless; time is counted in steps.

        Args:
            x: the input, (T, I), (T, B, I), (B, T, I) with `batch_first`, or (I,) for one step. For a model with a
                vocabulary or an embedding a text, a list of T tokens, or of their numbers.
            h0: initial hidden states, (L·D, B, H), (L·D, H) for unbatched x, without the first axis if L·D = 1, or a
                list of arrays (B, width) if the layers differ in width; zeros if None.
            c0: initial cell states, like h0.
            initial: initial values of other carried states, by name.
            state_from: a trace, or its file, whose last states are the initial ones: the run continues it. `initial`
                overrides single states. The steps are counted from 0 again; `lt.concat` joins the chunks.
            given: lines supplied instead of computed, by name or `layer/direction/name`.
            hold: lines held at other values, by address (docs/interventions.md), such as `c_t`, `5..9/f_t[3]`, or as
                printed, `f_2[1]`: a number, `"*0.5"` for a multiple, an array, or a trace to take the values from; None
                releases a hold of the problem.
            lengths: (B,) whole numbers. At padding every state is kept (docs/options.md, `padding`).
            mask: True (or 1) at the valid steps, (T, B), (B, T) with `batch_first`, (T,) for unbatched x; padding may
                also be at the start or in between. Give lengths or mask, not both.
            tokens: labels of the steps (docs/labels.md): T labels, or one such list per sequence, or one text of T
                characters. A sequence may have labels for its valid steps only.
            batch_first: x is (B, T, I).
            ask: names or addresses of the requested lines; all lines if empty.
            record: the part of the computed values to store: names of lines, or {"lines": …, "layers": …, "steps": …},
                where steps is a number, a slice or a range; everything if None.
            out: a trace to reuse: its arrays are overwritten, and it must not be used again; continue with the returned
                trace, and give each thread its own. Or a path that ends in .safetensors: the trace is streamed into
                this file, and may be larger than memory.
            plan: `lines` computes line by line, exactly as defined; `planned` uses the numpy plan; `compiled` uses
                machine code generated from the lines (the extra `jit`); `auto` uses the compiled plan if it is
                installed and the run is not very small, otherwise the numpy plan. The choice depends on the cell, the
                sizes of weights and input, the dtype and the extra, never on earlier runs. The trace's header records
                the plan.
            arithmetic: an arithmetic other than that of the weights' dtype, computed line by line (docs/arithmetic.md):
                `by-hand-4`, `float16`, `q4.12`, …; the values are stored as float64. None: that of the problem;
                `float64`: none.
            mistake: the key of a mistake that the run has on purpose, or several (docs/mistakes.md): `exchange:f,i`,
                `1/reverse/order:f,i`. The trace has the rewritten equations, or the changed premises.
            progress: called with (steps done, total steps).
            check: called with the trace before it is returned, and before its file gets its name; it may raise to
                reject the trace, in which case `out` must not be used.

        Returns:
            The trace; its arrays are (T, B, width), indexed by the position in the input.

        Raises:
            ShapeError, MissingError, OptionError, TooLargeError: if the arguments do not fit the model.
        """
        if mistake is not None:
            arguments = {name: value for name, value in locals().items() if name not in ("self", "mistake")}
            return self._mistaken((mistake,) if isinstance(mistake, str) else listed("mistake", mistake), **arguments)
        if isinstance(out, str | Path):
            spare(out, self.sources)
        model = self
        if (other := self.defaults.arithmetic if arithmetic is None else arithmetic) is not None:
            header, weights, plan = in_arithmetic(self.header, self.weights, other, plan, isinstance(out, str | Path))
            defaults = replace(self.defaults, arithmetic=None)
            model = replace(self, header=header, weights=weights, defaults=defaults, _works={}, _pool=Pool())
        call = None
        others = (h0, c0, initial, state_from, given, hold, lengths, mask, ask, record, tokens, check)
        check_choice(plan)
        plain = isinstance(x, np.ndarray) and x.dtype.kind in "fiu" and all(other is None for other in others)
        if plain and plan != "lines" and model._alone:
            call = x.shape, batch_first, plan
            memory = out.memory if isinstance(out, Trace) else None
            if isinstance(out, Trace) and memory and memory.call == call and memory.holds(out, model.weights):
                with WriteLock(out):
                    return model._again(x, batch_first, out, progress)
        with within(model.defaults.where), calling(model.defaults.called), model._continuing(state_from, initial):
            fed = model._fed(x, h0, c0, initial, given, lengths, mask, batch_first, tokens, state_from)
            asked = model._asked(fed, model.defaults.ask if ask is None else listed("ask", ask))
            fed = model._holding(fed, asked, hold)
            job = model._job(fed, asked, read_record(record), batch_first, plan, call)
            if not isinstance(out, str | Path):
                with nullcontext() if out is None else WriteLock(out):
                    found = job.trace(out, progress)
        # a fault in a file, or in the computation, is not a fault of the source
        if isinstance(out, str | Path):
            from ..engine.stream import run_to_file

            return run_to_file(job, out, progress, check)
        if check is not None:
            check(found)
        return found

    def _mistaken(self, mistakes: Sequence[str], ask: Any, record: Any, out: Any, check: Any, **given: Any) -> Trace:
        """A run with mistakes in it. They are put into a run of every line, if there are weights for all."""
        if others := [name for name, value in (("record", record), ("out", out)) if value is not None]:
            raise OptionError(f"{others[0]}: a run with a mistake stores the requested lines: leave {others[0]} out")
        if self.defaults.hold or given["hold"]:
            raise OptionError("hold: lines are held in a run without a mistake: leave one of the two out")
        asked = self.defaults.ask if ask is None else listed("ask", ask)
        try:
            right = self.run(**given, ask=())
        except MissingError:
            right = self.run(**given, ask=ask)
        with within(self.defaults.where):
            found = Convenience[Trace]("run.mistake")(right, mistakes, asked)
        if check is not None:
            check(found)
        return found

    @contextmanager
    def _continuing(self, state_from: Trace | str | Path | None, initial: Mapping[str, Any] | None) -> Iterator[None]:
        """Say of a state that does not fit that it is the last one of another trace."""
        try:
            yield
        except LstmTraceError as error:
            if state_from is None:
                raise
            source = "state_from" if isinstance(state_from, Trace) else state_from
            names = {INITIAL.get(state, state) for state in self.cell.states if state not in (initial or ())}
            about = ((said, said.partition(" has ")[0].split(" ")[-1]) for said in error.problems)
            raise reworded(error, (f"{source}: {said}" if name in names else said for said, name in about)) from None

    def _holding(self, fed: RunInputs, asked: tuple[str, ...], hold: Mapping[str, Any] | None) -> RunInputs:
        """The arrays of a run, including those that hold lines at other values."""
        if not (held := layers(*self.defaults.hold, hold)):
            return fed
        work = self._work(fed, asked)  # without holds: determines the available lines, and their widths
        sizes = range(fed.steps), fed.batch, work.widths, work.grid, self.header.dtype
        stages = self.stages(bool(fed.padded), fed.given)
        return replace(fed, holds=resolved(held, stages, *sizes, self.header))

    def _asked(self, fed: RunInputs, ask: Sequence[str]) -> tuple[str, ...]:
        """The addresses of the requested lines, counted from 0."""
        if self.cell.by_name.keys() >= {*ask}:  # the usual case, and a small run is short
            return tuple(ask)
        stages = self.stages(bool(fed.padded), fed.given)
        names = names_of_stages(stages, range(fed.steps), fed.batch, self.header.count_from)
        with within("ask"):
            return tuple(names.slashed(ours(self.header, stages, text), every=True) for text in ask)

    def _job(
        self, fed: RunInputs, asked: tuple[str, ...], record: RecordChoice, batch_first: bool | None, plan: Choice,
        call: Any,
    ) -> RunJob:  # fmt: skip
        """A run, checked and laid out."""
        work = self._work(fed, asked, record)
        answer = work.stages[-1].answers(work.recorded)
        header = replace(
            self.header, ask=asked or answer, padding=self.padding if fed.padded else None, batched=fed.batched,
            step_labels=fed.step_labels, plan=choose(plan, work, self.weights, self.header.dtype),
            batch_first=self.defaults.batch_first if batch_first is None else batch_first,
        )  # fmt: skip
        return RunJob(work, header, self.weights, self._pool, fed, call)

    @cached_property
    def _alone(self) -> bool:
        """Whether a run over an x depends on x only."""
        base = self.defaults
        optional = (base.lengths, base.mask, base.tokens, self.lookup)
        return not (base.initial or base.given or base.hold or any(value is not None for value in optional))

    def _again(self, x: Array, batch_first: bool | None, out: Trace, progress: Progress | None) -> Trace:
        """Repeat the run that made `out` over another x of the same shape, from zero states; no checks, no copies."""
        if out.x is not None:
            major = self.defaults.batch_first if batch_first is None else batch_first
            values = x.reshape(-1, 1, x.shape[-1]) if x.ndim < 3 else np.swapaxes(x, 0, 1) if major else x
            out.x[...] = values[: out.steps]
        for here in out.initial.values():
            for array in here.values():
                array.fill(0)
        work = out.memory.work
        by_plan(out, work, self.weights, self._pool, InMemory(out, work, out.memory.slabs), progress)
        return out

    def plans(
        self, x: Any = None, h0: Any = None, c0: Any = None, *, hold: Mapping[str, Any] | None = None,
        lengths: Any = None, mask: Any = None, tokens: Any = None, batch_first: bool | None = None,
    ) -> dict[str, str]:  # fmt: skip
        """Describe, by `layer/direction`, the plan that `auto` runs, and the numpy plan: what is moved out of the loop.

        Args: those of `run` with the same names.
        """
        others = {"lengths": lengths, "mask": mask, "tokens": tokens, "batch_first": batch_first}
        _, work = self.laid_out(x, h0, c0, hold, **others)
        return plan_texts(work, self.weights, self.header.dtype)

    def laid_out(
        self, x: Any = None, h0: Any = None, c0: Any = None, hold: Mapping[str, Any] | None = None, **others: Any
    ) -> tuple[RunInputs, Work]:
        """Return the arrays of a run, and what it would compute and store (`Work.numbers`); nothing is computed.

        Args: those of `plans`. Raises the errors that `run` raises for them.
        """
        with within(self.defaults.where), calling(self.defaults.called):
            fed = self._fed(x, h0, c0, **others)
            asked = self._asked(fed, self.defaults.ask)
            fed = self._holding(fed, asked, hold)
            return fed, self._work(fed, asked)

    def _fed(
        self, x: Any = None, h0: Any = None, c0: Any = None, initial: Mapping[str, Any] | None = None,
        given: Mapping[str, Any] | None = None, lengths: Any = None, mask: Any = None,
        batch_first: bool | None = None, tokens: Any = None, state_from: Trace | str | Path | None = None,
    ) -> RunInputs:  # fmt: skip
        """The arrays of a run; those of the problem if the caller gives none; see `engine.inputs.fed`."""
        base, faults, found = self.defaults, Faults(), None
        states = {STATE[short]: value for short, value in (("h0", h0), ("c0", c0)) if value is not None}
        if lengths is None and mask is None:
            lengths, mask = base.lengths, base.mask
        if state_from is not None and states:
            raise OptionError(f"state_from sets {INITIAL[next(iter(states))]} already; leave one of the two out")
        if self.lookup is not None and x is not None:
            x, tokens = self.lookup.sequence(x, tokens)
        elif isinstance(x, str | TokenText):
            raise OptionError(f"x is text: give the numbers of its tokens with {self.text_options()}")
        before = dict[str, Any]()
        if state_from is not None:
            trace = state_from if isinstance(state_from, Trace) else load(state_from)
            before = last_states(trace)
            both = (trace.stages, self.stages())
            carried = [{s.removesuffix("_prev") for stage in one for s in stage.cell.states} for one in both]
            if carried[0] != carried[1]:
                other, own = (" and ".join(sorted(names)) or "nothing" for names in carried)
                said = f"state_from is a trace of {trace.header.called}, which carries {other}"
                raise OptionError(f"{said}; {self.header.called} carries {own}: continue a trace of the same cell")
        with faults.gather():
            starts = {**base.initial, **before, **(initial or {}), **states}
            supplied = {**base.given, **(given or {})}
            major, dtype = base.batch_first if batch_first is None else batch_first, np.dtype(self.header.dtype)
            network = self.input_width, self.stages()
            found = fed(base.x if x is None else x, starts, supplied, lengths, mask, major, dtype, *network)
            raise_all(ShapeError, self._turned(starts, found))
            wide = 0 if found.x is None else found.x.shape[-1]
            if wide and wide != self.input_width and "--embedding" in (ways := self.text_options()):
                said = f"x has {wide:,} numbers a step, and the cell reads {self.input_width:,}"
                raise ShapeError(f"{said}, as many as a row of an embedding has: give a text with {ways}")
        if base.where:  # a file must be complete; in Python, a model may get its lengths in another run
            with faults.gather():
                require_padded(self.padding, lengths is not None or mask is not None)
        named = "tokens"
        if tokens is None and (x is None or base.x is None):  # the problem's labels belong to its own input
            tokens, named = base.tokens, "names.t"
        if tokens is not None and found is not None:
            with faults.gather():
                found = replace(found, step_labels=step_rows(tokens, found.steps, found.batch, found.valid, named))
        faults.tell()
        return found

    def text_options(self) -> str:
        """The options with which the model reads text, with the embeddings of its width in its file."""
        path = Path(self.sources[0] if self.sources else "")
        found = tables(path, self.input_width or 0, self.defaults.wiring) if path.suffix.lower() in READERS else {}
        ways = " or ".join(f"--embedding model:{name} {table.shape}" for name, table in found.items())
        return f"--vocabulary FILE{' and ' * bool(ways)}{ways} (in Python vocabulary=, embedding=)"

    def _turned(self, starts: Mapping[str, Any], fed: RunInputs) -> Iterator[str]:
        """Initial matrices with other rows and columns than their equations say, as sentences."""
        scopes = self._scopes()
        for state in sorted(self.cell.matrices & fed.initial.keys()):
            for k, (scope, values) in enumerate(fed.initial[state].items()):
                weights = {name: array.shape for name, array in self.weights.get(scope, {}).items()}
                read = {"x_t": fed.x if scope.startswith("0/") else None, **fed.given.get(scope, {}), state: values}
                widths = {name: array.shape[-1] for name, array in read.items() if array is not None}
                grid, alone = grids(self.cell, weights, widths)[state], len(scopes) == 1
                shape = np.shape(starts[state] if alone else starts[state][k])  # layers may differ in size
                flat = math.prod(shape[:-1]) == fed.batch
                if not flat and shape[-2:] != grid and math.prod(grid) == values.shape[-1]:
                    turned = " It looks transposed." if shape[-2:] == grid[::-1] else ""
                    name = f"{INITIAL.get(state, state)}{'' if alone else f'[{k}]'}"
                    yield f"{name} has shape {shape}; expected (rows, columns) = {grid}.{turned}"

    def _work(self, fed: RunInputs, ask: tuple[str, ...], record: RecordChoice | None = None) -> Work:
        """The work to do, from the cache if the same was requested before."""
        request = requested(fed, ask, record or RecordChoice())
        if request not in self._works:
            if len(self._works) >= MOST_KEPT:
                self._works.clear()
            own = self.header.kind == "equations" or bool(self.extra)
            cells = (self.cell, self.reverse) if self.header.kind != "equations" else ()
            whole = {name for cell in cells if cell for name in cell.parameters}
            names, first = self.header.names, self.header.count_from
            self._works[request] = lay_out(request, ModelSpec(self.stages, self.weights, own, names, first, whole))
        return self._works[request]

    @cached_property
    def input_width(self) -> int | None:
        """I, the number of inputs per step; None if the weights do not determine it."""
        for line in self.cell.lines:
            if line.product and line.product[1] == "x_t":
                here = (arrays[line.product[0]] for arrays in self.weights.values() if line.product[0] in arrays)
                shape: tuple[int, ...] = np.shape(next(here, 0.0))
                if len(shape) == 2:
                    return shape[line.op == "matvec"]
        return None

    def _scopes(self) -> list[str]:
        return [f"{layer}/{d}" for layer in range(self.layers) for d in self.directions]


def _restored(premises: dict[str, Any]) -> Model:
    for here in premises["weights"].values():
        for array in here.values():
            array.flags.writeable = False
    return Model(**premises)
