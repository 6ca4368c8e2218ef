"""What a network computes with a mistake, compared with loops over time that are written out for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.cell.network import Stage
from lstm_trace.cell.ops import OPS
from lstm_trace.mistakes.identify import Search
from lstm_trace.mistakes.programs import OUTPUT
from lstm_trace.mistakes.seeding import candidate_of
from lstm_trace.mistakes.trials import Candidate, MistakeRuns
from tests.mistakes.networks import BOTH, NETWORKS, B, H, I, T, network, weights
from tests.support.tiers import some

Array = np.ndarray
PLACE = "0/forward", OUTPUT
LENGTHS = np.array([6, 2, 4])


def sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def lstm_step(w: Mapping[str, Array], x: Array, h: Array, c: Array) -> tuple[Array, Array]:
    """One step of the textbook."""
    z = {g: x @ w[f"W_x{g}"].T + h @ w[f"W_h{g}"].T + w[f"b_{g}"] for g in "ifco"}
    new = sigmoid(z["f"]) * c + sigmoid(z["i"]) * np.tanh(z["c"])
    return sigmoid(z["o"]) * np.tanh(new), new


def lstm(
    w: Mapping[str, Array], x: Array, h: Array, c: Array, step: Callable[..., tuple[Array, Array]] = lstm_step,
    order: Any = range(T), valid: Array | None = None,
    carried: Callable[..., tuple[Array, Array]] = lambda h, c: (h, c), skip: int = -1, kept: float | None = None,
) -> Array:  # fmt: skip
    """The outputs, at the positions of the input. carried: done to the states between two steps. skip: a step that is
    not computed, where h, or `kept`, is passed on."""
    out = np.zeros((len(x), x.shape[1], h.shape[-1]))
    for t in order:
        if t == skip:
            out[t] = h if kept is None else kept
            continue
        new_h, new_c = step(w, x[t], h, c)
        out[t] = new_h
        if valid is not None:
            there = valid[t][:, None]
            out[t] = np.where(there, new_h, 0)
            new_h, new_c = np.where(there, new_h, h), np.where(there, new_c, c)
        h, c = carried(new_h, new_c)
    return out


def own(seed: int = 0, direction: str = "forward") -> dict[str, Array]:
    """The weights of the network `lstm`."""
    return {n.split("/")[2]: v for n, v in weights("lstm", seed=seed).items() if f"/{direction}/" in n}


def premises(name: str = "lstm") -> tuple[dict[str, Array], Array, Array, Array]:
    """Weights, x and the initial states of a network of one stage."""
    trace = network(name)
    initial = trace.initial["0/forward"]
    return trace.parameters["0/forward"], trace.x, initial["h_prev"], initial["c_prev"]


def found(key: str, name: str = "lstm", place: tuple[str, str] = PLACE) -> Array:
    """What the trials compute."""
    trace = network(name)
    return next(MistakeRuns(trace, [place]).run([candidate_of(trace, [key])]))[place]


def each(w: Mapping[str, Array], change: Callable[[Array], Array], begin: str = "") -> dict[str, Array]:
    return {n: change(v) if n.startswith(begin) else v for n, v in w.items()}


def stacked(w: Mapping[str, Array], change: Callable[[Array], Array], *stems: str) -> dict[str, Array]:
    """The weights of which the arrays of all gates, one upon the other, are changed."""
    new = dict(w)
    for stem in stems:
        names = [f"{stem}{g}" for g in "ifco"]
        new |= dict(zip(names, np.split(change(np.concatenate([w[n] for n in names])), 4), strict=True))
    return new


STEMS = "W_x", "W_h", "b_"


def in_place(w: Mapping[str, Array], x: Array, h: Array, c: Array) -> tuple[Array, Array]:
    """One unit after the other, in one buffer for h and one for c."""
    h, c = h.copy(), c.copy()
    for unit in range(H):
        new_h, new_c = lstm_step(w, x, h, c)
        h[:, unit], c[:, unit] = new_h[:, unit], new_c[:, unit]
    return h, c


def late(w: Mapping[str, Array], x: Array, h: Array, c: Array) -> Array:
    """The recurrent product reads the h of two steps before, 0 at the first."""
    out, before = [], np.zeros_like(h)
    for t in range(T):
        z = {g: x[t] @ w[f"W_x{g}"].T + before @ w[f"W_h{g}"].T + w[f"b_{g}"] for g in "ifco"}
        c = sigmoid(z["f"]) * c + sigmoid(z["i"]) * np.tanh(z["c"])
        before, h = h, sigmoid(z["o"]) * np.tanh(c)
        out.append(h)
    return np.stack(out)


def not_cleared(w: Mapping[str, Array], x: Array, h: Array, c: Array) -> Array:
    """The sums of all gates go on from those of the step before."""
    out, z = [], dict.fromkeys("ifco", np.zeros_like(h))
    for t in range(T):
        z = {g: x[t] @ w[f"W_x{g}"].T + h @ w[f"W_h{g}"].T + w[f"b_{g}"] + z[g] for g in "ifco"}
        c = sigmoid(z["f"]) * c + sigmoid(z["i"]) * np.tanh(z["c"])
        h = sigmoid(z["o"]) * np.tanh(c)
        out.append(h)
    return np.stack(out)


def chained(w: Mapping[str, Array], x: Array, h: Array, c: Array) -> Array:
    """The sequences one after the other, without new states between them."""
    out = np.zeros((T, B, H))
    h, c = h[:1], c[:1]
    for b in range(B):
        for t in range(T):
            h, c = lstm_step(w, x[t, b : b + 1], h, c)
            out[t, b] = h[0]
    return out


def quantised(v: Array) -> Array:
    step = np.abs(v).max() / 127
    return np.round(v / step) * step


def joined(w: Mapping[str, Array]) -> dict[str, Array]:
    """[h; x] read as [x; h]."""
    new = dict(w)
    for g in "ifco":
        whole = np.concatenate([w[f"W_x{g}"], w[f"W_h{g}"]], axis=1)
        new |= {f"W_x{g}": whole[:, H:], f"W_h{g}": whole[:, :H]}
    return new


def overlapping(w: Mapping[str, Array], order: str) -> dict[str, Array]:
    """The matrices of each gate one row behind those of the one before it in a stack of this order."""
    new = dict(w)
    for stem in ("W_x", "W_h"):
        stack = np.concatenate([w[f"{stem}{g}"] for g in order])
        new |= {f"{stem}{g}": stack[k : k + H] for k, g in enumerate(order)}
    return new


#: Mistakes in the network `lstm` as loops: weights, x, h and c in, outputs out.
LOOPS: dict[str, Callable[[dict[str, Array], Array, Array, Array], Array]] = {
    "initial-zero": lambda w, x, h, c: lstm(w, x, 0 * h, 0 * c),
    "initial-zero:c_prev": lambda w, x, h, c: lstm(w, x, h, 0 * c),
    "initial-exchanged": lambda w, x, h, c: lstm(w, x, c, h),
    "initial-of:row-before": lambda w, x, h, c: lstm(w, x, h[[2, 0, 1]], c[[2, 0, 1]]),
    "initial-of:first-row": lambda w, x, h, c: lstm(w, x, h[[0, 0, 0]], c[[0, 0, 0]]),
    "initial-of:h_prev": lambda w, x, h, c: lstm(w, x, h, h),
    "initial-of:units-reversed-of-c": lambda w, x, h, c: lstm(w, x, h, c[:, ::-1]),
    "initial-ones:h_prev": lambda w, x, h, c: lstm(w, x, 1 + 0 * h, c),
    "weights-read:diagonal-of-h": lambda w, x, h, c: lstm(each(w, lambda v: v * np.eye(H), "W_h"), x, h, c),
    "weights-read:overlapping-of-matrices-stacked-ifoc": lambda w, x, h, c: lstm(overlapping(w, "ifoc"), x, h, c),
    "weights-read:interleaved-of-x": lambda w, x, h, c: lstm(
        stacked(w, lambda v: np.concatenate([v[k::4] for k in range(4)]), "W_x"), x, h, c
    ),
    "own-unit:z_*,W_h*,h_prev": lambda w, x, h, c: lstm(
        each(w, lambda v: np.diag(v.sum(axis=1)) if v.ndim == 2 else v, "W_h"), x, h, c
    ),
    "bias-added:z_*,b_c": lambda w, x, h, c: lstm(each(w, lambda v: v + w["b_c"], "b_"), x, h, c),
    "weights-read:by-column": lambda w, x, h, c: lstm(
        stacked(w, lambda v: v.ravel().reshape(v.shape[::-1]).T if v.ndim == 2 else v, *STEMS), x, h, c
    ),
    "weights-read:each-by-column-of-x": lambda w, x, h, c: lstm(
        each(w, lambda v: v.ravel().reshape(I, H).T, "W_x"), x, h, c
    ),
    "weights-read:recurrent-first": lambda w, x, h, c: lstm(joined(w), x, h, c),
    "weights-read:units-reversed": lambda w, x, h, c: lstm(each(w, lambda v: v[::-1]), x, h, c),
    "weights-read:rows-reversed": lambda w, x, h, c: lstm(stacked(w, lambda v: v[::-1], *STEMS), x, h, c),
    "weights-read:one-row-late": lambda w, x, h, c: lstm(stacked(w, lambda v: np.roll(v, 1, 0), *STEMS), x, h, c),
    "weights-stored:int8-by-gate": lambda w, x, h, c: lstm(
        each(w, lambda v: quantised(v) if v.ndim == 2 else v), x, h, c
    ),
    "weights-stored:2-decimals": lambda w, x, h, c: lstm(each(w, lambda v: np.round(v, 2)), x, h, c),
    "weights-stored:float16": lambda w, x, h, c: lstm(each(w, lambda v: v.astype(np.float16).astype(float)), x, h, c),
    "input:features-reversed": lambda w, x, h, c: lstm(w, x[..., ::-1], h, c),
    "input:one-step-early": lambda w, x, h, c: lstm(w, np.concatenate([x[1:], 0 * x[:1]]), h, c),
    "input:sequences-reversed": lambda w, x, h, c: lstm(w, x[:, ::-1], h, c),
    "input:standardised-over-time": lambda w, x, h, c: lstm(w, (x - x.mean(0)) / x.std(0), h, c),
    "input-scaled:2": lambda w, x, h, c: lstm(w, 2 * x, h, c),
    "input-late": lambda w, x, h, c: lstm(w, np.concatenate([0 * x[:1], x[:-1]]), h, c),
    "output-units:units-reversed": lambda w, x, h, c: lstm(w, x, h, c)[..., ::-1],
    "outputs:summed-over-time": lambda w, x, h, c: np.add.accumulate(lstm(w, x, h, c)),
    "outputs:one-step-early": lambda w, x, h, c: np.concatenate([lstm(w, x, h, c)[1:], np.zeros((1, B, H))]),
    "output-late:output,h_t": lambda w, x, h, c: np.concatenate([h[None], lstm(w, x, h, c)[:-1]]),
    "time:the-other-way": lambda w, x, h, c: lstm(w, x, h, c, order=range(T - 1, -1, -1)),
    "time:input-reversed": lambda w, x, h, c: lstm(w, x[::-1], h, c),
    "carried:row-before": lambda w, x, h, c: lstm(w, x, h, c, carried=lambda h, c: (h[[2, 0, 1]], c[[2, 0, 1]])),
    "carried:row-after-of-h": lambda w, x, h, c: lstm(w, x, h, c, carried=lambda h, c: (h[[1, 2, 0]], c)),
    "carried:row-after-of-h-from-the-start": lambda w, x, h, c: lstm(
        w, x, h[[1, 2, 0]], c, carried=lambda h, c: (h[[1, 2, 0]], c)
    ),
    "carried:float16": lambda w, x, h, c: lstm(
        w, x, h, c, carried=lambda h, c: (h.astype(np.float16).astype(float), c.astype(np.float16).astype(float))
    ),
    "wiped:carryc_prev": lambda w, x, h, c: lstm(w, x, h, c, carried=lambda h, c: (h, 0 * c)),
    "never-updated:carryh_prev": lambda w, x, h, c: lstm(w, x, h, c, carried=lambda _, new: (h, new)),
    "carry-squashed:carryc_prev": lambda w, x, h, c: lstm(w, x, h, c, carried=lambda h, c: (h, np.tanh(c))),
    "skips:first-step": lambda w, x, h, c: lstm(w, x, h, c, skip=0, kept=0),
    "skips:first-step-held": lambda w, x, h, c: lstm(w, x, h, c, skip=0),
    "skips:last-step-held": lambda w, x, h, c: lstm(w, x, h, c, skip=T - 1),
    "in-place": lambda w, x, h, c: lstm(w, x, h, c, step=in_place),
    "windows:2": lambda w, x, h, c: np.concatenate([lstm(w, x[k : k + 2], h, c, order=range(2)) for k in (0, 2, 4)]),
    "windows:3-from-zero": lambda w, x, h, c: np.concatenate(
        [lstm(w, x[:3], h, c, order=range(3)), lstm(w, x[3:], 0 * h, 0 * c, order=range(3))]
    ),
    "chained": chained,
    "stale-hidden:z_*": late,
    "not-cleared:z_*": not_cleared,
}  # fmt: skip


@pytest.mark.parametrize("key", LOOPS)
def test_a_mistake_of_an_lstm_is_the_loop_written_out(key: str) -> None:
    w, x, h, c = premises()
    expected = LOOPS[key](w, x, h, c)
    assert np.abs(expected - lstm(w, x, h, c)).max() > 1e-6, "the mistake of the loop does nothing"
    np.testing.assert_allclose(found(key), expected, atol=1e-12)


def test_the_loop_without_a_mistake_is_the_right_run() -> None:
    np.testing.assert_allclose(network("lstm").output, lstm(*premises()), atol=1e-13)


MASK = np.arange(T)[:, None] < LENGTHS

#: Mistakes at padding: the mask that the port has, what it passes on over padding.
PADDED: dict[str, Callable[[dict[str, Array], Array, Array, Array], Array]] = {
    "lengths-ignored": lambda w, x, h, c: lstm(w, x, h, c),
    "lengths:one-step-early": lambda w, x, h, c: lstm(w, x, h, c, valid=np.arange(T)[:, None] < LENGTHS - 1),
    "lengths:one-step-more": lambda w, x, h, c: lstm(w, x, h, c, valid=np.arange(T)[:, None] < LENGTHS + 1),
    "lengths:steps-reversed": lambda w, x, h, c: lstm(w, x, h, c, valid=MASK[::-1]),
    "lengths:sequences-reversed": lambda w, x, h, c: lstm(w, x, h, c, valid=MASK[:, ::-1]),
    "padding-computed": lambda w, x, h, c: lstm(w, x * MASK[..., None], h, c),
    "padded-in-front:computed": lambda w, x, h, c: lstm(w, in_front(x), h, c),
    "input:steps-reversed-within-the-length": lambda w, x, h, c: lstm(w, within(x), h, c, valid=MASK),
    "outputs:steps-reversed-within-the-length": lambda w, x, h, c: within(lstm(w, x, h, c, valid=MASK)),
    "outputs:sequences-sorted-by-length": lambda w, x, h, c: lstm(w, x, h, c, valid=MASK)[:, [0, 2, 1]],
    "padding-not-zero:y_t,a": lambda w, x, h, c: raw(w, x, h, c),
    "padding-not-zero:y_t,where(valid,a,h_prev)": lambda w, x, h, c: raw(w, x, h, c, held=True),
}


def in_front(x: Array) -> Array:
    """Zeros in front of the sequences instead of what is behind them."""
    new = np.zeros_like(x)
    for b, n in enumerate(LENGTHS):
        new[T - n :, b] = x[:n, b]
    return new


def within(x: Array) -> Array:
    """The steps of each sequence reversed, those beyond its length where they were."""
    new = x.copy()
    for b, n in enumerate(LENGTHS):
        new[:n, b] = x[:n, b][::-1]
    return new


def raw(w: Mapping[str, Array], x: Array, h: Array, c: Array, held: bool = False) -> Array:
    """States are held over padding; what is passed on there is what was computed, or what is held."""
    out = np.zeros((T, B, H))
    for t in range(T):
        new_h, new_c = lstm_step(w, x[t], h, c)
        there = MASK[t][:, None]
        out[t] = np.where(there, new_h, h) if held else new_h
        h, c = np.where(there, new_h, h), np.where(there, new_c, c)
    return out


@cache
def keys_with_lengths() -> list[str]:
    return [str(one.mistakes[0]) for one in Search(network("lstm with lengths"), {}).candidates()]


@pytest.mark.parametrize("key", PADDED)
def test_a_mistake_at_padding_is_the_loop_written_out(key: str) -> None:
    w, x, h, c = premises("lstm with lengths")
    key = next((one for one in keys_with_lengths() if one == key or one.replace("valid,", "") == key), key)
    np.testing.assert_allclose(found(key, "lstm with lengths"), PADDED[key](w, x, h, c), atol=1e-12)


def test_directions_and_layers_read_what_the_mistake_says() -> None:
    trace = network("lstm 2 x 2")
    parts = {s: (trace.parameters[s], trace.initial[s]["h_prev"], trace.initial[s]["c_prev"])
             for s in ("0/forward", "0/reverse", "1/forward", "1/reverse")}  # fmt: skip
    back, x = range(T - 1, -1, -1), trace.x

    def stage(scope: str, values: Array, order: Any = None, like: str = "", states: str = "") -> Array:
        w, (_, h, c) = parts[like or scope][0], parts[states or scope]
        order = order or (back if "reverse" in scope else range(T))
        return lstm(w, values, h, c, order=order)

    def both(layer: int, values: Array) -> Array:
        return np.concatenate([stage(f"{layer}/{d}", values) for d in BOTH], axis=-1)

    one = both(0, x)
    assert np.allclose(trace.output, both(1, one))
    top = "1/joined", OUTPUT
    forward, reverse = one[..., :H], one[..., H:]
    cases = {
        "weights-of:first": np.concatenate(
            [stage("1/forward", one, like="1/forward"), stage("1/reverse", one, like="1/reverse")], axis=-1
        ),
        "1/reverse/weights-of:other-direction": np.concatenate(
            [stage("1/forward", one), stage("1/reverse", one, like="1/forward")], axis=-1
        ),
        "1/initial-of:before": np.concatenate(
            [stage("1/forward", one, states="0/forward"), stage("1/reverse", one, states="0/reverse")], axis=-1
        ),
        "1/reverse/time:as-computed": np.concatenate([stage("1/forward", one), stage("1/reverse", one)[::-1]], axis=-1),
        "1/reverse/time:the-other-way": np.concatenate(
            [stage("1/forward", one), stage("1/reverse", one, order=range(T))], axis=-1
        ),
        "0/joined/directions-joined:y_t,concat(b,a)": both(1, np.concatenate([reverse, forward], axis=-1)),
        "0/joined/directions-joined:y_t,concat(a,a)": both(1, np.concatenate([forward, forward], axis=-1)),
        "1/input:features-reversed": both(1, one[..., ::-1]),
        "0/joined/output-units:units-reversed": both(1, one[..., ::-1]),
    }
    del cases["weights-of:first"]  # layers of other widths
    for key, expected in cases.items():
        np.testing.assert_allclose(found(key, "lstm 2 x 2", top), expected, atol=1e-12, err_msg=key)


# -- every row, against an ordinary run of the rewritten cell ----------------------------------------------------------


def before_the_first(name: str, trace: lt.Trace, stage: Stage, now: Mapping[str, Array]) -> Array:
    """A value before the first step: the state that it becomes, or zeros of its width."""
    initial = trace.initial.get(stage.scope, {})
    for state, line in stage.cell.states.items():
        if line in (name, f"where(valid, {name}, {state})") and state in initial:
            return initial[state]
    there = {**now, **initial}
    return np.zeros_like(there[name] if name in there else trace.lines[stage.scope].get(name, np.zeros((T, B, 1)))[0])


def line_by_line(trace: lt.Trace, candidate: Candidate) -> Array:
    """The output of the network whose cells are the rewritten ones, stage by stage, line by line, step by step."""
    outputs: dict[str, Array] = {}
    for stage in trace.stages:
        program = candidate.programs.get(stage.scope)
        cell = (program.rewritten() if program else stage.cell).expanded
        inputs = {
            name: trace.x if source == "x" else trace.valid if source == "valid" else outputs[source.rpartition("/")[0]]
            for name, source in stage.sources.items()
        }
        own = trace.parameters.get(stage.scope, {})
        states: dict[str, Array] = {**trace.initial.get(stage.scope, {})}
        out: list[Array] = []
        seen = np.zeros((B, 1), bool)  # whether a step that is no padding came before
        for t in range(T - 1, -1, -1) if stage.direction == "reverse" else range(T):
            now: dict[Any, Array] = {**own, **{name: values[t] for name, values in inputs.items()}}
            now["one_late"] = seen.astype(float)
            seen = seen | (inputs["valid"][t] != 0 if "valid" in inputs else True)
            for state in {*cell.states} - {*states}:  # a value of the step before
                states[state] = before_the_first(state.removesuffix("_late"), trace, stage, now)
            now |= states
            for line in cell.lines:
                operands = [now[o] if isinstance(o, str) else np.array([o]) for o in line.operands]
                with np.errstate(all="ignore"):
                    now[line.name] = np.broadcast_to(
                        OPS[line.op].array(operands, line.constants),
                        (B, *np.shape(OPS[line.op].array(operands, line.constants))[-1:]),
                    )
            states = {state: now[line] for state, line in cell.states.items()}
            out.append(now[cell.output])
        values = np.stack(out[::-1] if stage.direction == "reverse" else out)
        outputs[stage.scope] = values
    return outputs[trace.stages[-1].scope]


@pytest.mark.few(3)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_row_computes_what_its_rewritten_cell_computes(name: str) -> None:
    trace = network(name)
    chosen: dict[tuple[str, str], Candidate] = {}
    for one in Search(trace, {}).candidates():
        placed = one.mistakes[0]
        if not placed.mistake.row.word or any(program.changes for program in one.programs.values()):
            chosen.setdefault((placed.place, placed.mistake.row.key), one)
    candidates = some(chosen.values(), 60)
    place = trace.stages[-1].scope, OUTPUT
    compared = 0
    for candidate, values in zip(candidates, MistakeRuns(trace, [place]).run(candidates), strict=True):
        try:
            expected = line_by_line(trace, candidate)
        except ValueError:  # the sizes do not fit
            assert np.isnan(values[place]).any(), candidate.mistakes
            continue
        if expected.shape == values[place].shape:
            compared += 1
            np.testing.assert_allclose(values[place], expected, atol=1e-11, err_msg=str(candidate.mistakes[0]))
    assert compared > 20


def test_candidates_in_one_batch_do_not_meet() -> None:
    """Each alone is what it is among hundreds."""
    trace = network("lstm with peepholes and clip")
    candidates = some(Search(trace, {}).candidates(), 150)
    together = [one[PLACE] for one in MistakeRuns(trace, [PLACE]).run(candidates)]
    for at in range(0, len(candidates), 15):
        alone = next(MistakeRuns(trace, [PLACE]).run([candidates[at]]))[PLACE]
        np.testing.assert_array_equal(alone, together[at], err_msg=str(candidates[at].mistakes))


@pytest.mark.few(0)
def test_what_is_late_has_an_axis_of_sequences() -> None:
    """A state before the first step without that axis met weights of several candidates in one product."""
    draw = np.random.default_rng(0)
    own = {f"W_x{g}": draw.normal(size=(3, 2)) for g in "ifco"} | {f"W_h{g}": draw.normal(size=(3, 3)) for g in "ifco"}
    own |= {f"b_{g}": draw.normal(size=3) for g in "ifco"}
    x = draw.normal(size=(4, 2))
    assert not lt.identify(own, x, draw.normal(size=(4, 3)), cell="lstm").right
