"""The traps of porting an LSTM: for each, our reading agrees with scalar loops and the wrong reading does not.

Framework-free. The wrong reading is always one that somebody's code has: another framework's convention.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import LstmTraceError

from ..support.family_oracle import Reading, sequence
from ..support.rounding import EPS, Near, by_precision, numbers, plainly

STEPS, WIDE, UNITS, NARROW = 4, 3, 5, 2
APART = 1e-3  # a wrong reading is off by far more than rounding, somewhere

Weights = dict[str, np.ndarray]


def drawn(seed: int, wide: int = WIDE, recurrent: int = UNITS) -> tuple[Weights, Any, Any, Any]:
    """Random weights with every kind of vector, x (T, I), h0 and c0; tests take what they need."""
    rng = np.random.default_rng(seed)
    w = {
        **{f"W_x{g}": rng.normal(size=(UNITS, wide)) for g in "ifco"},
        **{f"W_h{g}": rng.normal(size=(UNITS, recurrent)) for g in "ifco"},
        **{f"b_{g}": rng.normal(size=UNITS) for g in "ifco"},
    }
    return w, rng.normal(size=(STEPS, wide)), rng.normal(size=recurrent), rng.normal(size=UNITS)


def loops(w: Weights, x: Any, h0: Any, c0: Any, r: Reading | None = None, **how: Any) -> np.ndarray:
    """h at every step, (T, H), by the oracle: exact, with its rounding bound; nan past the length."""
    lists = {name: array.tolist() for name, array in w.items()}

    def rows(kind: Any) -> Any:
        out, _, _ = sequence(lists, numbers(x, kind), numbers(h0, kind), numbers(c0, kind), r, **how)
        return [[np.nan] * len(h0) if h is None else h for h in out]

    return by_precision(rows)


def ours(w: Weights, x: Any, h0: Any, c0: Any, **options: Any) -> np.ndarray:
    """h at every step, (T, H), by the package."""
    found: np.ndarray = lt.run(w, x, h0=h0, c0=c0, options=options)["h_t"][:, 0]
    return found


def same(a: Any, b: Any) -> None:
    """One is by the oracle; or both are ours, each 8 ulp of 1 from the truth at most."""
    a, b = (np.asarray(v) for v in (a, b))
    explained = max([16 * EPS, *(v.off for v in (*a.flat, *b.flat) if isinstance(v, Near))])
    np.testing.assert_allclose(plainly(a), plainly(b), rtol=0, atol=explained)


def apart(a: Any, b: Any) -> None:
    assert np.nanmax(np.abs(plainly(a) - plainly(b))) > APART, "the wrong reading gives the same numbers"


# -- 1 and 2: which numbers belong to which gate ---------------------------------------------------------------------


@pytest.mark.few(0)
def test_of_the_24_gate_orders_only_one_gives_these_numbers() -> None:
    w, x, h0, c0 = drawn(1)
    right = ours(w, x, h0, c0)
    for order in permutations("ifco"):
        shuffled = {name[:-1] + order["ifco".index(name[-1])]: array for name, array in w.items()}
        (same if order == tuple("ifco") else apart)(loops(shuffled, x, h0, c0), right)


def test_constant_weights_cannot_tell_gate_orders_apart() -> None:
    """Why the ONNX node tests, with every weight 0.1, prove nothing of the order."""
    w, x, h0, c0 = drawn(1)
    flat = {name: np.full(array.shape, 0.1) for name, array in w.items()}
    swapped = {name[:-1] + dict(zip("ifco", "ofci", strict=True))[name[-1]]: array for name, array in flat.items()}
    same(ours(flat, x, h0, c0), ours(swapped, x, h0, c0))


@pytest.mark.parametrize("prefix", ["W_x", "W_h"])
def test_a_square_matrix_hides_its_transpose_from_every_shape_check(prefix: str) -> None:
    w, x, h0, c0 = drawn(2, wide=UNITS)
    turned = {name: array.T.copy() if name.startswith(prefix) else array for name, array in w.items()}
    right = ours(w, x, h0, c0)
    same(right, loops(w, x, h0, c0))
    apart(ours(turned, x, h0, c0), right)


def test_a_matrix_that_is_not_square_shows_its_transpose() -> None:
    w, x, _, _ = drawn(2)
    with pytest.raises(LstmTraceError, match=r"W_xf has shape \(3, 5\); line .* It looks transposed"):
        lt.run({**w, "W_xf": w["W_xf"].T}, x)


# -- 3: forget bias --------------------------------------------------------------------------------------------------


def test_forget_bias_at_run_time_stored_or_none() -> None:
    w, x, h0, c0 = drawn(3)
    stored = {**w, "b_f": w["b_f"] + 1}
    at_run_time = ours(w, x, h0, c0, forget_bias=1.0)  # TensorFlow 1, Haiku
    same(at_run_time, loops(stored, x, h0, c0))  # Keras: the one is inside the saved bias
    same(at_run_time, ours(stored, x, h0, c0))
    apart(ours(w, x, h0, c0), at_run_time)  # a TensorFlow 1 checkpoint read without it
    apart(ours(stored, x, h0, c0, forget_bias=1.0), at_run_time)  # a Keras file with it added twice


def test_forget_bias_is_for_the_forget_gate_alone() -> None:
    w, x, h0, c0 = drawn(3)
    right = ours(w, x, h0, c0, forget_bias=1.0)
    for gate in "ico":
        apart(loops({**w, f"b_{gate}": w[f"b_{gate}"] + 1}, x, h0, c0), right)


# -- 4: activations --------------------------------------------------------------------------------------------------


def test_the_two_hard_sigmoids_and_the_sigmoid_are_three_functions() -> None:
    w, x, h0, c0 = drawn(4)
    names = {"hard_sigmoid": "0.2 z + 0.5", "hard_sigmoid_keras": "z / 6 + 0.5", "sigmoid": "smooth"}
    for name in names:
        right = ours(w, x, h0, c0, gate_activation=name)
        for other in names:
            (same if other == name else apart)(loops(w, x, h0, c0, Reading(gate_activation=other)), right)


def test_the_hard_sigmoids_saturate_at_different_places() -> None:
    cell = {"equations": "a_t = hard_sigmoid(x_t)\nb_t = hard_sigmoid(x_t, 0.16666666666666666, 0.5)\noutput: b_t"}
    trace = lt.run({}, [[-3.0], [-2.75], [0.0], [2.75], [3.0]], cell=cell)
    np.testing.assert_allclose(trace["a_t"].ravel(), [0, 0, 0.5, 1, 1])
    np.testing.assert_allclose(trace["b_t"].ravel(), [0, 0.25 / 6, 0.5, 1 - 0.25 / 6, 1], atol=1e-15)


def test_keras_has_one_activation_for_candidate_and_output() -> None:
    w, x, h0, c0 = drawn(4)
    right = ours(w, x, h0, c0, candidate_activation="softsign", output_activation="softsign")
    same(right, loops(w, x, h0, c0, Reading(candidate_activation="softsign", output_activation="softsign")))
    apart(loops(w, x, h0, c0, Reading(candidate_activation="softsign")), right)
    apart(loops(w, x, h0, c0, Reading(output_activation="softsign")), right)


# -- 5: peepholes ----------------------------------------------------------------------------------------------------


def with_peepholes(seed: int) -> tuple[Weights, Any, Any, Any]:
    w, x, h0, c0 = drawn(seed)
    rng = np.random.default_rng(seed + 100)
    return {**w, **{f"w_c{g}": rng.normal(size=UNITS) for g in "ifo"}}, x, h0, c0


def test_peepholes_in_the_order_i_o_f_or_i_f_o() -> None:
    w, x, h0, c0 = with_peepholes(5)
    right = ours(w, x, h0, c0, peephole=True)
    for order in permutations("ifo"):
        shuffled = w | {f"w_c{g}": w[f"w_c{other}"] for g, other in zip("ifo", order, strict=True)}
        (same if order == tuple("ifo") else apart)(loops(shuffled, x, h0, c0, Reading(peephole=True)), right)


def test_the_output_peephole_sees_the_new_cell_state() -> None:
    w, x, h0, c0 = with_peepholes(5)
    r = Reading(peephole=True)
    same(ours(w, x, h0, c0, peephole=True), loops(w, x, h0, c0, r))
    apart(loops(w, x, h0, c0, replace(r, output_peephole="old")), ours(w, x, h0, c0, peephole=True))


def test_the_output_peephole_sees_the_clipped_cell_state() -> None:
    w, x, h0, c0 = with_peepholes(5)
    r = Reading(peephole=True, cell_clip=0.3)
    same(ours(w, x, h0, c0, peephole=True, cell_clip=0.3), loops(w, x, h0, c0, r))
    apart(loops(w, x, h0, c0, replace(r, cell_clip_at="carry")), ours(w, x, h0, c0, peephole=True, cell_clip=0.3))


def test_the_candidate_has_no_peephole() -> None:
    w, x, h0, c0 = with_peepholes(5)
    with pytest.raises(LstmTraceError, match="no equation of the cell reads the weight 'w_cc'"):
        lt.run({**w, "w_cc": np.ones(UNITS)}, x, h0=h0, c0=c0, options={"peephole": True})


# -- 6: clip ---------------------------------------------------------------------------------------------------------

CLIPS = ("clip", "output_clip", "cell_clip")


@pytest.mark.parametrize("meaning", CLIPS)
def test_clip_has_meanings_that_give_different_numbers(meaning: str) -> None:
    w, x, h0, c0 = drawn(6)
    right = ours(w, x, h0, c0, **{meaning: 0.4})
    for other in CLIPS:
        (same if other == meaning else apart)(loops(w, x, h0, c0, Reading(**{other: 0.4})), right)
    apart(loops(w, x, h0, c0), right)


def test_clip_of_gate_inputs_comes_after_bias_and_peephole_and_before_the_activation() -> None:
    w, x, h0, c0 = with_peepholes(6)
    trace = lt.run(w, x, h0=h0, c0=c0, options={"peephole": True, "clip": 0.4})
    assert np.abs(trace["z_i"]).max() > 1  # the pre-activation itself is not bounded
    same(trace["i_t"], 1 / (1 + np.exp(-np.clip(trace["z_i"], -0.4, 0.4))))
    same(trace["c_tilde"], np.tanh(np.clip(trace["z_c"], -0.4, 0.4)))
    assert np.abs(trace["c_t"]).max() > 0.4  # nor is the cell state


def test_onnx_text_clips_before_the_output_squash_as_well_and_onnxruntime_does_not() -> None:
    """Seen only where |c| exceeds the clip: the two clip tests of onnxruntime stay below it."""
    w, x, h0, c0 = drawn(6)
    text, runtime = Reading(clip=0.4, output_clip=0.4), Reading(clip=0.4)
    same(ours(w, x, h0, c0, clip=0.4, output_clip=0.4), loops(w, x, h0, c0, text))
    same(ours(w, x, h0, c0, clip=0.4), loops(w, x, h0, c0, runtime))
    apart(loops(w, x, h0, c0, text), loops(w, x, h0, c0, runtime))
    near, wide_text = Reading(clip=4.0), Reading(clip=4.0, output_clip=4.0)
    same(loops(w, x, h0, c0, near), loops(w, x, h0, c0, wide_text))  # such data cannot tell


def test_the_clipped_cell_state_is_the_one_that_is_carried() -> None:
    w, x, h0, c0 = drawn(6)
    trace = lt.run(w, x, h0=h0, c0=c0, options={"cell_clip": 0.4})
    assert np.abs(trace["c_t"]).max() == 0.4
    only_squash = loops(w, x, h0, c0, Reading(output_clip=0.4))  # bounds what h sees, carries the free one
    apart(only_squash, trace["h_t"][:, 0])


def test_the_projection_is_clipped_after_the_product() -> None:
    w, x, h0, c0 = drawn(6, recurrent=NARROW)
    w["W_hr"] = np.random.default_rng(66).normal(size=(NARROW, UNITS))
    right = ours(w, x, h0, c0, projection=True, projection_clip=0.2)
    same(right, loops(w, x, h0, c0, Reading(projection=True, projection_clip=0.2)))
    apart(loops(w, x, h0, c0, Reading(projection=True, cell_clip=0.2)), right)
    apart(loops(w, x, h0, c0, Reading(projection=True)), right)


# -- 7: states -------------------------------------------------------------------------------------------------------


def test_states_in_the_order_c_h_give_other_numbers() -> None:
    w, x, h0, c0 = drawn(7)
    right = ours(w, x, h0, c0)
    same(right, loops(w, x, h0, c0))
    apart(ours(w, x, c0, h0), right)


def test_zero_states_hide_the_forget_gate_at_the_first_step() -> None:
    w, x, _, _ = drawn(7)
    zero = np.zeros(UNITS)
    other = {**w, "W_xf": -w["W_xf"], "b_f": w["b_f"] + 3}
    same(ours(w, x, zero, zero)[0], ours(other, x, zero, zero)[0])
    apart(ours(w, x, zero, zero)[1], ours(other, x, zero, zero)[1])


# -- 8 and 9: padding, lengths, the reverse direction ----------------------------------------------------------------


def test_padded_outputs_are_zero_repeated_or_carried_and_the_states_stop() -> None:
    w, x, h0, c0 = drawn(8)
    free = loops(w, x, h0, c0)
    valid = loops(w, x, h0, c0, length=2)
    for padding, past in {"zero": np.zeros(UNITS), "repeat": valid[1], "carry": valid[1]}.items():
        trace = lt.run(w, x[:, None], h0=h0[None], c0=c0[None], lengths=[2], options={"padding": padding})
        same(trace.output[:2, 0], valid[:2])
        same(trace.output[2:, 0], [past, past])
        same(trace.h_n[0, 0], valid[1])
        apart(trace.output[2:, 0], free[2:])  # Flax: padded outputs are whatever the cell makes of the padding
        apart(trace.h_n[0, 0], free[-1])  # PyTorch without packing: the state runs on over the padding


def test_the_reverse_direction_reverses_only_the_valid_prefix() -> None:
    w, x, h0, c0 = drawn(9)
    back = {f"0/reverse/{name}": array for name, array in w.items()}
    trace = lt.run(back, x[:, None], h0=h0[None], c0=c0[None], lengths=[3])
    same(trace.output[:3, 0], loops(w, x, h0, c0, reverse=True, length=3)[:3])
    same(trace.h_n[0, 0], trace.output[0, 0])
    whole = loops(w, x, h0, c0, reverse=True)  # reversing the padding as well
    apart(trace.output[:3, 0], whole[:3])


def test_outputs_of_the_reverse_direction_stand_at_the_position_of_their_input() -> None:
    w, x, h0, c0 = drawn(9)
    trace = lt.run(w, x, h0=h0, c0=c0, options={"direction": "reverse"})
    processed = loops(w, x[::-1], h0, c0)  # Keras go_backwards gives its outputs in the order of processing
    same(trace.output, processed[::-1])
    apart(trace.output, processed)
    apart(trace.output, loops(w, x, h0, c0))  # the forward direction


def test_h_n_is_not_the_last_output_when_there_are_two_directions() -> None:
    w, x, h0, c0 = drawn(9)
    both = {f"0/{d}/{name}": array for d in ("forward", "reverse") for name, array in w.items()}
    trace = lt.run(both, x, h0=[h0, h0], c0=[c0, c0])
    same(trace.h_n[0], trace.output[-1, :UNITS])
    same(trace.h_n[1], trace.output[0, UNITS:])
    apart(trace.h_n[1], trace.output[-1, UNITS:])


def test_a_row_of_length_zero_keeps_its_initial_state() -> None:
    w, x, h0, c0 = drawn(9)
    trace = lt.run(w, np.stack([x, x], 1), h0=[h0, h0], c0=[c0, c0], lengths=[0, 4])
    same(trace.h_n[0], [h0, loops(w, x, h0, c0)[-1]])
    same(trace.c_n[0, 0], c0)
    apart(trace.h_n[0, 0], np.zeros(UNITS))  # onnxruntime gives zeros here
    same(trace.output[:, 0], np.zeros((STEPS, UNITS)))


def test_batch_first_turns_x_and_the_output_but_not_the_states() -> None:
    w, _, _, _ = drawn(9)
    rng = np.random.default_rng(99)
    x, h0, c0 = rng.normal(size=(4, 4, WIDE)), *rng.normal(size=(2, 1, 4, UNITS))  # T = B: no shape tells
    time_major = lt.run(w, x, h0=h0, c0=c0)
    batch_major = lt.run(w, x.swapaxes(0, 1), h0=h0, c0=c0, batch_first=True)
    same(batch_major.output.swapaxes(0, 1), time_major.output)
    same(batch_major.h_n, time_major.h_n)
    apart(lt.run(w, x, h0=h0, c0=c0, batch_first=True).output, time_major.output)


# -- 10: projection --------------------------------------------------------------------------------------------------


def test_the_projection_is_rows_by_hidden_units_and_h_and_c_have_different_widths() -> None:
    w, x, h0, c0 = drawn(10, recurrent=NARROW)
    w["W_hr"] = np.random.default_rng(101).normal(size=(NARROW, UNITS))  # PyTorch (P, H); Paddle keeps (H, P)
    same(ours(w, x, h0, c0, projection=True), loops(w, x, h0, c0, Reading(projection=True)))
    with pytest.raises(LstmTraceError, match="it looks transposed"):
        ours({**w, "W_hr": w["W_hr"].T}, x, h0, c0, projection=True)
    with pytest.raises(LstmTraceError, match=r"c0 has width 2; line `f_t \* c_prev` needs H = 5"):
        ours(w, x, c0, h0, projection=True)


def test_the_projected_state_is_what_the_gates_and_the_next_layer_see() -> None:
    w, x, h0, c0 = drawn(10, recurrent=NARROW)
    w["W_hr"] = np.random.default_rng(101).normal(size=(NARROW, UNITS))
    above = drawn(11, wide=NARROW, recurrent=NARROW)[0] | {"W_hr": w["W_hr"]}
    layers = {f"{k}/forward/{n}": a for k, layer in enumerate((w, above)) for n, a in layer.items()}
    trace = lt.run(layers, x, h0=[h0, h0], c0=[c0, c0], options={"projection": True})
    below = trace.at(layer=0)["h_t"][:, 0]
    same(below, loops(w, x, h0, c0, Reading(projection=True)))
    same(trace.output, loops(above, below, h0, c0, Reading(projection=True)))


# -- others that layouts.md tells of ---------------------------------------------------------------------------------


def test_coupled_gates_ignore_every_weight_of_the_forget_gate() -> None:
    w, x, h0, c0 = drawn(12)
    kept = {name: array for name, array in w.items() if not name.endswith("f")}
    right = ours(kept, x, h0, c0, coupled=True)
    same(right, loops(w, x, h0, c0, Reading(coupled=True)))
    apart(loops(w, x, h0, c0), right)
    with pytest.raises(LstmTraceError, match="with coupled: true the forget gate is 1 - i_t and has no weights"):
        ours(w, x, h0, c0, coupled=True)


def test_of_two_biases_only_the_sum_counts_forward() -> None:
    w, x, h0, c0 = drawn(13)
    rng = np.random.default_rng(131)
    two = {n: a for n, a in w.items() if not n.startswith("b_")}
    for g in "ifco":
        two[f"b_x{g}"] = rng.normal(size=UNITS)
        two[f"b_h{g}"] = w[f"b_{g}"] - two[f"b_x{g}"]
    same(ours(two, x, h0, c0), loops(w, x, h0, c0))
    dropped = {n: a for n, a in two.items() if not n.startswith("b_h")} | {f"b_h{g}": 0 * w["b_i"] for g in "ifco"}
    halved = {n: a / 2 if n.startswith("b_") else a for n, a in two.items()}
    apart(ours(dropped, x, h0, c0), loops(w, x, h0, c0))
    apart(ours(halved, x, h0, c0), loops(w, x, h0, c0))


def test_sigmoid_keeps_its_digits_far_from_zero() -> None:
    """0.5 tanh(z / 2) + 0.5 has none left for z < -17 in float32."""
    cell = {"equations": "y_t = sigmoid(x_t)\noutput: y_t"}
    y = lt.run({}, [[-20.0], [-80.0], [20.0]], cell=cell, dtype="float32")["y_t"].ravel()
    np.testing.assert_allclose(y, [2.0611536181902037e-09, 1.8048513878454153e-35, 1.0], rtol=6 * 2**-23)
    assert np.float32(0.5) * np.tanh(np.float32(-10)) + np.float32(0.5) == 0
