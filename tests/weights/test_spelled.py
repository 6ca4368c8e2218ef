"""Weights under the names of textbooks and programs: read as the same weights under ours, or refused.

The names are written out here, by the source of each, and so are the equations of one step.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import lstm_trace as lt
from lstm_trace.cell.notations import notations, spellings
from lstm_trace.errors import MissingError, OptionError, ShapeError
from lstm_trace.model.problem import with_weights

H = 2
Weights = dict[str, Any]


def drawn(gates: str, inputs: int, biases: str = "one", seed: int = 0) -> Weights:
    """Random weights under our names."""
    rng, found = np.random.default_rng(seed), {}
    for gate in gates:
        found[f"W_x{gate}"] = rng.normal(size=(H, inputs))
        found[f"W_h{gate}"] = rng.normal(size=(H, H))
        for name in {"none": [], "one": [f"b_{gate}"], "two": [f"b_x{gate}", f"b_h{gate}"]}[biases]:
            found[name] = rng.normal(size=H)
    return found


def renamed(w: Weights, names: str, turned: bool = False) -> Weights:
    """The weights with the names of a text: `W_xi=W_ii W_hi=W_hi …`; those that a text leaves out are not there."""
    pairs = dict(pair.split("=") for pair in names.split())
    return {pairs[n]: a.T if turned and a.ndim == 2 else a for n, a in w.items() if n in pairs}


def joined(w: Weights, letters: str, biases: str) -> Weights:
    """[W_h W_x] of each gate, and its bias."""
    pairs = dict(pair.split("=") for pair in letters.split())
    found = {name: np.hstack([w[f"W_h{gate}"], w[f"W_x{gate}"]]) for gate, name in pairs.items()}
    return found | renamed(w, biases)


TORCH = "W_xi=W_ii W_hi=W_hi W_xf=W_if W_hf=W_hf W_xc=W_ig W_hc=W_hg W_xo=W_io W_ho=W_ho "
WIKIPEDIA = "W_xi=W_i W_hi=U_i b_i=b_i W_xf=W_f W_hf=U_f b_f=b_f W_xc=W_c W_hc=U_c b_c=b_c W_xo=W_o W_ho=U_o b_o=b_o"
GOODFELLOW = "W_xi=U_g W_hi=W_g b_i=b_g W_xf=U_f W_hf=W_f b_f=b_f W_xc=U W_hc=W b_c=b W_xo=U_o W_ho=W_o b_o=b_o"
KERNELS = " ".join(f"W_x{g}=kernel_{g} W_h{g}=recurrent_kernel_{g} b_{g}=bias_{g}" for g in "ifco")
OURS = " ".join(f"W_x{g}=W_x{g} W_h{g}=W_h{g} b_{g}=b_{g}" for g in "ifcoruh")
#: Each notation of an LSTM with its biases, what it makes of our weights, and whether the names alone say it.
LSTM: dict[str, tuple[str, str, Callable[[Weights], Weights], bool]] = {
    "pytorch": ("pytorch", "two", lambda w: renamed(
        w, TORCH + "b_xi=b_ii b_hi=b_hi b_xf=b_if b_hf=b_hf b_xc=b_ig b_hc=b_hg b_xo=b_io b_ho=b_ho"), True),
    "pytorch without biases": ("pytorch", "none", lambda w: renamed(w, TORCH), True),
    "pytorch, one bias": ("pytorch", "one", lambda w: renamed(w, TORCH + "b_i=b_i b_f=b_f b_c=b_g b_o=b_o"), True),
    "wikipedia": ("keras", "one", lambda w: renamed(w, WIKIPEDIA), False),
    "wikipedia, two biases": ("keras", "two", lambda w: renamed(w, WIKIPEDIA + "".join(
        f" b_{s}{g}=b_{s}{g}" for s in "xh" for g in "ifco")), False),
    "kernels": ("keras", "one", lambda w: renamed(w, KERNELS, turned=True), True),
    "goodfellow": ("goodfellow", "one", lambda w: renamed(w, GOODFELLOW), True),
    "U for the input, by our letters": ("goodfellow", "one", lambda w: renamed(
        w, WIKIPEDIA.replace("=W_", "=V_").replace("=U_", "=W_").replace("=V_", "=U_")), False),
    "olah": ("olah", "one", lambda w: joined(w, "i=W_i f=W_f c=W_C o=W_o", "b_i=b_i b_f=b_f b_c=b_C b_o=b_o"), True),
    "joined": ("joined", "one", lambda w: joined(w, "i=W_i f=W_f c=W_c o=W_o", "b_i=b_i b_f=b_f b_c=b_c b_o=b_o"),
               True),
    "d2l": ("d2l", "one", lambda w: renamed(w, OURS, turned=True), False),
    "g for the candidate": ("exercise", "one", lambda w: renamed(
        w, OURS.replace("=W_xc", "=W_xg").replace("=W_hc", "=W_hg").replace("=b_c", "=b_g")), True),
    "a for a single matrix": ("exercise", "one", lambda w: renamed(w, OURS.replace("=W_xc", "=W_xa")), True),
}  # fmt: skip
TORCH_GRU = "".join(
    f"W_x{g}=W_i{t} W_h{g}=W_h{t} b_x{g}=b_i{t} b_h{g}=b_h{t} " for g, t in zip("ruh", "rzn", strict=True)
)
CHO = "W_xr=W_r W_hr=U_r W_xu=W_z W_hu=U_z W_xh=W W_hh=U"
#: Each notation of a GRU, with the options that it implies.
GRU: dict[str, tuple[str, str, Callable[[Weights], Weights], bool, dict[str, Any]]] = {
    "pytorch": ("pytorch", "two", lambda w: renamed(w, TORCH_GRU), True, {"reset_after": True}),
    "keras": ("keras", "one", lambda w: renamed(
        w, "W_xr=W_r W_hr=U_r b_r=b_r W_xu=W_z W_hu=U_z b_u=b_z W_xh=W_h W_hh=U_h b_h=b_h"), False, {}),
    "kernels": ("keras", "one", lambda w: renamed(w, " ".join(
        f"W_x{g}=kernel_{t} W_h{g}=recurrent_kernel_{t} b_{g}=bias_{t}" for g, t in zip("ruh", "rzh", strict=True)
    ), turned=True), True, {}),
    "cho": ("cho", "none", lambda w: renamed(w, CHO), False, {}),
    "goodfellow": ("goodfellow", "one", lambda w: renamed(
        w, "W_xr=U_r W_hr=W_r b_r=b_r W_xu=U_u W_hu=W_u b_u=b_u W_xh=U W_hh=W b_h=b"), False, {}),
    "olah": ("olah", "none", lambda w: joined(w, "r=W_r u=W_z h=W", ""), True, {"update": "write"}),
    "d2l": ("d2l", "one", lambda w: renamed(
        w, OURS.replace("=W_xu", "=W_xz").replace("=W_hu", "=W_hz").replace("=b_u", "=b_z"), turned=True), False, {}),
    "z and n": ("exercise", "one", lambda w: renamed(
        w, "W_xr=W_xr W_hr=W_hr b_r=b_r W_xu=W_xz W_hu=W_hz b_u=b_z W_xh=W_xn W_hh=W_hn b_h=b_n"), True, {}),
}  # fmt: skip


#: What the update gate of a GRU does, and how to say the other thing.
RULE = {
    "keep": ["the update gate keeps: h_t = u_t * h_prev + (1 - u_t) * h_tilde; "
             "for the other reading write cell: {kind: gru, update: write}"],
    "write": ["the update gate writes: h_t = (1 - u_t) * h_prev + u_t * h_tilde; "
              "for the other reading write cell: {kind: gru, update: keep}"],
}  # fmt: skip


def case(gates: str, inputs: int, biases: str) -> tuple[Weights, Any, dict[str, Any]]:
    rng = np.random.default_rng(9)
    states = {"h0": rng.normal(size=H)} | ({"c0": rng.normal(size=H)} if gates == "ifco" else {})
    return drawn(gates, inputs, biases), rng.normal(size=(2, inputs)), states


def same(found: lt.Trace, expected: lt.Trace) -> None:
    """Every line, to the last bit."""
    assert found.header.kind == expected.header.kind
    assert found.stages == expected.stages
    for name in expected.lines["0/forward"]:
        np.testing.assert_array_equal(found[name], expected[name])


@pytest.mark.parametrize("inputs", [3, H])
@pytest.mark.parametrize("name", LSTM)
def test_a_step_of_an_lstm_is_the_same_in_every_notation(name: str, inputs: int) -> None:
    notation, biases, spell, alone = LSTM[name]
    ours, x, states = case("ifco", inputs, biases)
    expected, theirs = lt.run(ours, x, **states), spell(ours)
    for cell in (None, "lstm"):
        for options in [{"notation": notation}, *([{}] if alone or (inputs != H and notation != "d2l") else [])]:
            found = lt.run(theirs, x, **states, cell=cell, options=options)  # type: ignore[arg-type]
            same(found, expected)
            assert found.header.imported[0].startswith(f"names read in the notation {notation}")
    problem = {"weights": theirs, "x": x, "notation": notation, **states}
    same(lt.run(problem), expected)
    assert lt.run(lt.problem(lt.run(problem)))["h_t"].tolist() == expected["h_t"].tolist()


@pytest.mark.parametrize("inputs", [3, H])
@pytest.mark.parametrize("name", GRU)
def test_a_step_of_a_gru_is_the_same_in_every_notation(name: str, inputs: int) -> None:
    notation, biases, spell, alone, implied = GRU[name]
    ours, x, states = case("ruh", inputs, biases)
    expected, theirs = lt.run(ours, x, **states, cell={"kind": "gru", **implied}), spell(ours)
    for cell in (None, "gru"):
        for options in [{"notation": notation}, *([{}] if alone or (inputs != H and notation != "d2l") else [])]:
            found = lt.run(theirs, x, **states, cell=cell, options=options)  # type: ignore[arg-type]
            same(found, expected)
            said = [f"{option}: {str(value).lower()}, as there" for option, value in implied.items()]
            said += RULE[implied.get("update", "keep")] * (name not in ("pytorch", "kernels", "d2l"))
            assert found.header.imported[1:] == tuple(said)
    other = {"reset_after": {"reset_after": False}, "update": {"update": "keep"}}.get(next(iter(implied), ""), {})
    same(lt.run(theirs, x, **states, options={**other, "notation": notation}),
         lt.run(ours, x, **states, cell={"kind": "gru", **other}))  # fmt: skip


@pytest.mark.parametrize(
    ("notation", "names", "turned"),
    [
        ("pytorch", "W_xh=W_ih W_hh=W_hh b_xh=b_ih b_hh=b_hh", False),
        ("keras", "W_xh=W W_hh=U b_h=b", False),
        ("keras", "W_xh=W_h W_hh=U_h b_h=b_h", False),
        ("goodfellow", "W_xh=U W_hh=W b_h=b", False),
        ("d2l", "W_xh=W_xh W_hh=W_hh b_h=b_h", True),
    ],
)
@pytest.mark.parametrize("inputs", [3, H])
def test_a_plain_rnn(notation: str, names: str, turned: bool, inputs: int) -> None:
    ours, x, states = case("h", inputs, "two" if notation == "pytorch" else "one")
    theirs = renamed(ours, names, turned)
    same(lt.run(theirs, x, **states, options={"notation": notation}), lt.run(ours, x, **states))
    if inputs != H and notation != "d2l":
        same(lt.run(theirs, x, **states), lt.run(ours, x, **states))


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def test_the_equations_of_the_sources() -> None:
    """One step in numpy, written with the names of each source."""
    ours, x, states = case("ifco", 3, "one")
    h0, c0, x_t = states["h0"], states["c0"], x[0]
    w = LSTM["goodfellow"][2](ours)  # equations 10.40 to 10.44, with tanh for the candidate
    f, g, q = (sigmoid(w[f"b_{k}"] + w[f"U_{k}"] @ x_t + w[f"W_{k}"] @ h0) for k in "fgo")
    s = f * c0 + g * np.tanh(w["b"] + w["U"] @ x_t + w["W"] @ h0)
    np.testing.assert_allclose(lt.run(w, x, h0=h0, c0=c0)["h_t"][0, 0], np.tanh(s) * q, rtol=1e-14)
    w, both = LSTM["olah"][2](ours), np.concatenate([h0, x_t])
    f, i, o = (sigmoid(w[f"W_{k}"] @ both + w[f"b_{k}"]) for k in "fio")
    c = f * c0 + i * np.tanh(w["W_C"] @ both + w["b_C"])
    np.testing.assert_allclose(lt.run(w, x, h0=h0, c0=c0)["h_t"][0, 0], o * np.tanh(c), rtol=1e-14)
    w = LSTM["d2l"][2](ours)
    i, f, o = (sigmoid(x_t @ w[f"W_x{k}"] + h0 @ w[f"W_h{k}"] + w[f"b_{k}"]) for k in "ifo")
    c = f * c0 + i * np.tanh(x_t @ w["W_xc"] + h0 @ w["W_hc"] + w["b_c"])
    found = lt.run(w, x, h0=h0, c0=c0, options={"notation": "d2l"})
    np.testing.assert_allclose(found["h_t"][0, 0], o * np.tanh(c), rtol=1e-14)


def test_the_equations_of_grus() -> None:
    ours, x, states = case("ruh", 3, "two")
    h0, x_t = states["h0"], x[0]
    w = GRU["pytorch"][2](ours)
    r, z = (sigmoid(w[f"W_i{k}"] @ x_t + w[f"b_i{k}"] + w[f"W_h{k}"] @ h0 + w[f"b_h{k}"]) for k in "rz")
    n = np.tanh(w["W_in"] @ x_t + w["b_in"] + r * (w["W_hn"] @ h0 + w["b_hn"]))
    np.testing.assert_allclose(lt.run(w, x, h0=h0)["h_t"][0, 0], (1 - z) * n + z * h0, rtol=1e-14)
    w = GRU["cho"][2](ours)
    r, z = (sigmoid(w[f"W_{k}"] @ x_t + w[f"U_{k}"] @ h0) for k in "rz")
    h = np.tanh(w["W"] @ x_t + w["U"] @ (r * h0))
    np.testing.assert_allclose(lt.run(w, x, h0=h0)["h_t"][0, 0], z * h0 + (1 - z) * h, rtol=1e-14)
    w, both = GRU["olah"][2](ours), np.concatenate([h0, x_t])
    z, r = sigmoid(w["W_z"] @ both), sigmoid(w["W_r"] @ both)
    h = np.tanh(w["W"] @ np.concatenate([r * h0, x_t]))
    np.testing.assert_allclose(lt.run(w, x, h0=h0)["h_t"][0, 0], (1 - z) * h0 + z * h, rtol=1e-14)


@pytest.mark.parametrize(
    ("biases", "kernels", "after"),
    [("none", True, True), ("one", True, False), ("two", True, True), ("one", False, False), ("two", False, True)],
)
def test_a_gru_of_keras_by_gate_has_its_reset_gate_where_its_biases_say(
    biases: str, kernels: bool, after: bool
) -> None:
    """As for its stacked arrays; of the letters W and U only if there are two biases."""
    ours, x, states = case("ruh", 3, biases)
    form = (
        "W_x{0}=kernel_{1} W_h{0}=recurrent_kernel_{1} b_{0}=bias_{1} "
        if kernels
        else "W_x{0}=W_{1} W_h{0}=U_{1} b_{0}=b_{1} "
    )
    form += "b_x{0}=b_x{1} b_h{0}=b_h{1} "
    names = "".join(form.format(g, t) for g, t in zip("ruh", "rzh", strict=True))
    found = lt.run(renamed(ours, names, turned=kernels), x, **states)
    same(found, lt.run(ours, x, **states, cell={"kind": "gru", "reset_after": after}))
    assert ("reset_after: true, as there" in found.header.imported) == after


def test_the_update_rule_is_told_unless_the_author_gives_it() -> None:
    ours, x, states = case("ruh", 3, "none")
    cell = {"kind": "gru", "update": "write"}
    found = lt.run(GRU["cho"][2](ours), x, **states, cell=cell)
    assert len(found.header.imported) == 1
    same(found, lt.run(ours, x, **states, cell=cell))
    with pytest.raises(
        MissingError, match=r"`notation: joined` \(update: keep\) or `notation: olah` \(update: write\)"
    ):
        lt.prepare({name: GRU["olah"][2](ours)[name] for name in ("W_r", "W_z")})


def test_the_candidate_of_goodfellow_is_told() -> None:
    ours, x, states = case("ifco", 3, "one")
    theirs = LSTM["goodfellow"][2](ours)
    (_, said) = lt.run(theirs, x, **states).header.imported
    assert said.endswith("tanh is taken: for theirs write cell: {kind: lstm, candidate_activation: sigmoid}")
    cell = {"kind": "lstm", "candidate_activation": "sigmoid"}
    assert len(lt.run(theirs, x, **states, cell=cell).header.imported) == 1


def test_the_requested_lines_decide_between_cells_with_the_same_names() -> None:
    ours = drawn("c", 3)
    theirs = {"W_c": np.hstack([ours["W_hc"], ours["W_xc"]]), "b_c": ours["b_c"]}
    problem = {"weights": theirs, "x": np.ones((1, 3))}
    assert lt.run(problem | {"ask": ["c_tilde"]}).header.kind == "lstm"
    assert lt.prepare(problem | {"ask": ["h_tilde"]}).header.kind == "gru"


# -- refused ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("theirs", "one", "other"),
    [
        (LSTM["wikipedia"][2](drawn("ifco", H)), "keras", "goodfellow"),
        (LSTM["U for the input, by our letters"][2](drawn("ifco", H)), "keras", "goodfellow"),
        (GRU["cho"][2](drawn("ruh", H)), "goodfellow", "cho"),
        (renamed(drawn("h", H), "W_xh=W W_hh=U b_h=b"), "keras", "goodfellow"),
    ],
)
def test_what_has_two_readings_is_refused_where_shapes_do_not_decide(theirs: Weights, one: str, other: str) -> None:
    with pytest.raises(MissingError) as error:
        lt.prepare(theirs)
    said = str(error.value)
    assert re.search(
        rf"write `notation: {one}` \((.).* multiplies x\) or `notation: {other}` \((?!\1).* multiplies x\)", said
    )


def test_matrices_of_d2l_are_transposed_only_if_that_is_said() -> None:
    ours, x, states = case("ifco", 3, "one")
    turned = LSTM["d2l"][2](ours)
    with pytest.raises(ShapeError, match=r"look transposed, .* as in x W, write `notation: d2l`"):
        lt.run(turned, x, **states)
    with pytest.raises(ShapeError, match="W_xi, W_xf, W_xc, W_xo look transposed: W_xi is 3 by 2"):
        lt.run(turned, x, **states, options={"notation": "exercise"})
    with pytest.raises(ShapeError, match=r"matrices of the notation d2l are \(I, H\) .* found W_xi \(2, 3\)"):
        lt.run(ours, x, **states, options={"notation": "d2l"})
    square, x, states = case("ifco", H, "one")
    found = lt.run(LSTM["d2l"][2](square), x, **states)  # nothing shows it: read as ours
    np.testing.assert_array_equal(found.parameters["0/forward"]["W_xi"], square["W_xi"].T)
    assert not found.header.imported


@pytest.mark.parametrize(
    ("theirs", "cell", "messages"),
    [
        (renamed(drawn("ifco", 3), WIKIPEDIA.replace("=U_f", "=U_q")), None, (
            "no equation of the cell reads the weight 'U_q'; did you mean 'U_f'?",
            "the weights lack U_f; the cell reads W_i, U_i, b_i, W_f, U_f, b_f, W_c, U_c, b_c, W_o, U_o, b_o")),
        (drawn("ifco", 3, "none") | {"W_ih": np.ones((2, 3))}, "lstm", (
            "no equation of the cell reads the weight 'W_ih'; none is missing: leave it out",)),
        (drawn("ifco", 3) | {"W_xg": np.ones((2, 3))}, "lstm", (  # W_xc has two names
            "no equation of the cell reads the weight 'W_xg'; none is missing: leave it out",)),
        (GRU["cho"][2](drawn("ruh", 3)), "lstm", (
            "the weights U, U_r, U_z, W, W_r, W_z are those of the cell gru, and the cell is lstm: write cell: gru",)),
        (renamed(drawn("ifco", 3, "none"), TORCH) | {"W_xi": np.ones((2, 3))}, "lstm", (
            "W_ii and W_xi are both W_xi: give one of them",)),
        (LSTM["olah"][2](drawn("ifco", 3)) | {"W_i": np.ones((2, 2))}, "lstm", (
            "W_i has shape (2, 2); it multiplies [h; x]: expected (H, H + I)",)),
    ],
)  # fmt: skip
def test_a_wrong_name_is_compared_with_what_is_missing(theirs: Weights, cell: Any, messages: tuple[str, ...]) -> None:
    with pytest.raises(lt.LstmTraceError) as error:
        lt.prepare(theirs, cell)
    assert error.value.problems == messages


def test_names_none_of_which_the_cell_reads_are_not_too_many() -> None:
    theirs = {"weight_ih": np.ones((8, 3)), "weight_hh": np.ones((8, 2))}
    with pytest.raises(MissingError) as error:
        lt.prepare({"cell": "lstm", "weights": theirs, "x": np.ones((1, 3))})
    assert error.value.problems == (
        "the problem: the weights have none of those that the cell lstm reads, W_xi, W_hi, W_xf, W_hf, W_xc, W_hc, "
        "W_xo, W_ho; if they are those of a program, write layout: pytorch in the problem",
        "the problem: no equation of the cell reads the weight 'weight_ih'",
        "the problem: no equation of the cell reads the weight 'weight_hh'",
    )
    w = joined(drawn("ifco", 3), "i=W_i f=W_f c=W_c o=W_o", "b_i=b_i b_f=b_f b_c=b_c b_o=b_o")
    with pytest.raises(MissingError) as error:  # each of the joined matrices once
        lt.prepare({"cell": "lstm", "weights": {"W_ii": w.pop("W_i"), **w}, "x": np.ones((1, 3))})
    assert "W_i, W_i" not in str(error.value)


def test_a_notation_that_does_not_exist_or_does_not_have_the_cell() -> None:
    with pytest.raises(OptionError, match="there is no notation 'keres'; did you mean 'keras'"):
        lt.prepare(drawn("ifco", 3), options={"notation": "keres"})
    with pytest.raises(OptionError, match="the notation 'cho' has no names for the cell 'lstm'; it has those of a GRU"):
        lt.prepare(LSTM["goodfellow"][2](drawn("ifco", 3)), "lstm", options={"notation": "cho"})
    lt.prepare(drawn("ifco", 3), options={"notation": "pytorch"})  # our names are read in any
    with pytest.raises(OptionError, match="a cell given by equations has no option notation"):
        lt.prepare({"W": [[1.0]]}, {"equations": "h_t = W @ x_t\noutput: h_t"}, options={"notation": "keras"})


def test_a_message_says_what_the_author_calls_the_weights() -> None:
    theirs = LSTM["pytorch without biases"][2](drawn("ifco", 3, "none"))
    with pytest.raises(ShapeError, match=r"W_xf has shape \(3, 3\).* \(W_xf is your W_if, W_xi is your W_ii, .*\)$"):
        lt.run(theirs | {"W_if": np.ones((3, 3))}, np.ones((1, 3)))
    del theirs["W_if"]
    with pytest.raises(MissingError, match=r"needs W_xf, which the weights do not have \(W_xf is your W_if\)$"):
        lt.run(theirs, np.ones((1, 3)))


def test_numbers_are_weights_of_one_unit() -> None:
    for spell in (KERNELS, OURS):
        theirs = renamed({n: np.array(0.5) for n in drawn("ifco", 1)}, spell)
        options = {"notation": "d2l"} if spell is OURS else {}
        found = lt.run(dict.fromkeys(theirs, 0.5), 1.0, options=options)
        assert found["h_t"].item() == lt.run({n: np.full((1,) * (1 + (n[0] == "W")), 0.5)
                                              for n in drawn("ifco", 1)}, 1.0)["h_t"].item()  # fmt: skip


# -- beside the weights ------------------------------------------------------------------------------------------------


def test_addresses_peepholes_and_a_readout_keep_their_names() -> None:
    ours = {f"0/forward/{n}": a for n, a in drawn("ifco", 3, "none").items()}
    ours |= {f"1/forward/{n}": a for n, a in drawn("ifco", H, "none", 1).items()}
    others = {f"{layer}/forward/w_c{gate}": np.ones(H) * layer for layer in (0, 1) for gate in "ifo"}
    others |= {"1/forward/W_y": np.ones((1, H))}
    theirs = {f"{n}/forward/{key}": a for n in (0, 1) for key, a in renamed(
        {k.rpartition("/")[2]: v for k, v in ours.items() if k[0] == str(n)}, TORCH).items()}  # fmt: skip
    cell = {"kind": "lstm", "peephole": True, "extra": "y_t = W_y @ h_t"}
    x = np.ones((2, 3))
    found, expected = lt.run(theirs | others, x, cell=cell), lt.run(ours | others, x, cell=cell)
    assert found.stages == expected.stages
    assert found["1/forward/y_t"].tolist() == expected["1/forward/y_t"].tolist()


def test_lines_are_asked_for_by_the_names_of_the_notation() -> None:
    ours, x, _ = case("ifco", 3, "one")
    problem = {"weights": LSTM["goodfellow"][2](ours), "x": x, "ask": ["s_t", "1/g_t[0]", "i_t"]}
    assert lt.run(problem).header.ask == ("c_t", "1/i_t[0]", "i_t")
    problem |= {"extra": "g_t = tanh(h_t)"}  # a line of that name comes first
    assert lt.run(problem).header.ask == ("c_t", "1/g_t[0]", "i_t")


def test_the_problem_with_other_weights_is_that_of_the_same_cell(tmp_path: Path) -> None:
    ours, x, _ = case("ruh", 3, "two")
    written = {"weights": {n: a.tolist() for n, a in GRU["pytorch"][2](ours).items()}, "x": x.tolist(), "ask": ["n_t"]}
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(written))
    found = lt.run(tmp_path / "p.yaml")
    again = with_weights(str(tmp_path / "p.yaml"), {f"0/forward/{n}": a for n, a in ours.items()}, "again")
    (tmp_path / "q.yaml").write_text(again)
    assert lt.run(tmp_path / "q.yaml")["h_tilde"].tolist() == found["h_tilde"].tolist()
    turned = {"weights": {n: a.T.tolist() if a.ndim == 2 else a.tolist() for n, a in drawn("ruh", H).items()},
              "cell": "gru", "x": x[:, :2].tolist(), "notation": "d2l"}  # fmt: skip
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(turned))
    again = with_weights(str(tmp_path / "p.yaml"), {f"0/forward/{n}": a for n, a in drawn("ruh", H).items()}, "again")
    (tmp_path / "q.yaml").write_text(again)
    assert lt.run(tmp_path / "q.yaml")["h_t"].tolist() == lt.run(tmp_path / "p.yaml")["h_t"].tolist()


def test_a_notation_in_a_file_is_one_of_the_table(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("weights: {W_xi: [[1]], W_hi: [[1]]}\nx: [1]\nask: [i_t]\nnotation: keres\n")
    with pytest.raises(lt.LstmTraceError, match=r"p.yaml: notation: .*'keras'"):
        lt.run(tmp_path / "p.yaml")


def test_no_name_of_a_spelling_has_two_meanings() -> None:
    """Each spelling has every weight of its cell, and one name for each."""
    for cell, gates in (("lstm", "ifco"), ("gru", "ruh"), ("rnn", "h")):
        for one in spellings(cell):
            expected = {f"{side}{gate}" for gate in gates for side in ("W_x", "W_h", "b_", "b_x", "b_h")}
            assert one.names.keys() == expected
            lines = {*lt.prepare(drawn(gates, 3, "two"), cell).cell.by_name}  # type: ignore[arg-type]
            assert not {name for ours, name in one.lines.items() if name != ours} & lines
    assert {name for name, row in notations().items() for cell in ("lstm", "gru", "rnn") if cell in row} == {
        *notations()
    }
