"""What a lifted cell is called, what its lines and weights are called, and two of them side by side."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt

from .students import SIGMOIDS, STUDENTS
from .test_students import lifted

INPUTS, H, T = 3, 2, 3

LSTM = """
    i = sigmoid(Wi @ x + Ui @ h + bi)
    f = sigmoid(Wf @ x + Uf @ h + bf)
    g = np.tanh(Wg @ x + Ug @ h + bg)
    c_new = f * c + i * g
    o = sigmoid(Wo @ x + Uo @ h + bo)
    return o * np.tanh(c_new), c_new
"""
GRU = """
    z = sigmoid(Wz @ x + Uz @ h + bz)
    r = sigmoid(Wr @ x + Ur @ h + br)
    n = np.tanh(Wh @ x + Uh @ (r * h) + bh)
    return z * h + (1 - z) * n
"""
RNN = """
    return np.tanh(Wa @ x + Ua @ h + ba)
"""
NORMED = """
    def norm(z, gamma, beta):
        return gamma * (z - z.mean()) / np.sqrt(z.var() + 1e-5) + beta
    i = sigmoid(norm(Wi @ x + Ui @ h, gi, bi))
    f = sigmoid(norm(Wf @ x + Uf @ h, gf, bf))
    g = np.tanh(norm(Wg @ x + Ug @ h, gg, bg))
    c_new = f * c + i * g
    o = sigmoid(norm(Wo @ x + Uo @ h, go, bo))
    return o * np.tanh(norm(c_new, gc, bc)), c_new
"""
BEFORE = "a GRU whose reset gate stands before the product"
PEEPHOLES = [(f"U{k} @ h", f"U{k} @ h + p{k} * c") for k in "if"]
# the text, replacements in it, and what the cell is then
SAID: list[tuple[str, list[tuple[str, str]], str]] = [
    (GRU, [("Wz @ x + Uz @ h + bz", "Wr @ x + Ur @ h + br"),
           ("r = sigmoid(Wr @ x + Ur @ h + br", "r = sigmoid(Wz @ x + Uz @ h + bz")],
     f"{BEFORE}, but z_h = W_xh @ x_t + W_hh @ (u_t * h_prev) + b_h and h_t = r_t * h_prev + (1 - r_t) * h_tilde"),
    (LSTM, [], "an LSTM"),
    (LSTM, [("sigmoid(Wf @ x + Uf @ h + bf)", "1 - i")], "an LSTM with coupled gates; Uf, Wf, bf are not read"),
    (LSTM, [("f * c + i", "(1 - i) * c + i")], "an LSTM with coupled gates; Uf, Wf, bf are not read"),
    (LSTM, [("Uo @ h", "Uo @ np.tanh(c_new)")], "an LSTM but z_o = W_xo @ x_t + W_ho @ tanh(c_t) + b_o"),
    (LSTM, [(f"{k} = sigmoid(W{k} @ x + U{k} @ h + b{k})", f"z = W{k} @ x + U{k} @ h + b{k}\n"
             f"    {k} = np.exp(z) / np.exp(z).sum()") for k in "if"],
     "an LSTM but i_t = exp(z_i) / sum(exp(z_i)) (and likewise f_t)"),
    (LSTM, [(", c_new", ", np.tanh(c_new)")],
     "an LSTM but c_t = tanh(f_t * c_prev + i_t * c_tilde) and h_t = o_t * c_t"),
    (LSTM, [("Wi @ x", "Wi @ v_i"), ("Wf @ x", "Wf @ v_f"), ("    i =", "    v_i, v_f = x / 2, x / 2\n    i =")],
     "an LSTM but z_i = W_xi @ (x_t / 2) + W_hi @ h_prev + b_i (and likewise z_f)"),
    (LSTM, [("i = sigmoid(Wi @ x + Ui @ h + bi)", ""), ("    g", "    i = 1 - f\n    g")],
     "an LSTM with coupled gates, whose input gate is 1 - f_t; Ui, Wi, bi are not read"),
    (LSTM, [("o = sigmoid(Wo @ x + Uo @ h + bo)", "o = 1 - f")],
     "an LSTM whose output gate is 1 - f_t; Uo, Wo, bo are not read"),
    (LSTM, [("return o * np.tanh(c_new), c_new", "return (o * np.tanh(c_new),) * 2")], "an LSTM but c_prev <- h_t"),
    (LSTM, [("o * np.tanh(c_new),", "h,")],
     "an LSTM without an output gate, but h_t = h_prev; Uo, Wo, bo are not read"),
    (LSTM, [("o * np.tanh(c_new),", "Ro @ (o * np.tanh(c_new)),")], "an LSTM with a projection"),
    (LSTM, [("h + bf)", "h + bf + 1)")], "an LSTM with 1 added to the forget gate"),
    (LSTM, [("= sigmoid(", "= np.clip(0.5 + ("), *((f"+ b{k})", f"+ b{k}) / 6, 0, 1)") for k in "ifo")],
     "an LSTM whose gates are squashed by a hard sigmoid"),
    (LSTM, [("f * c + i * g", "np.clip(f * c + i * g, -3, 3)")], "an LSTM whose cell state is clipped at 3"),
    (LSTM, [*PEEPHOLES, ("Uo @ h", "Uo @ h + po * c_new")], "an LSTM with peepholes"),
    (LSTM, [*PEEPHOLES, ("Uo @ h", "Uo @ h + po * c")],
     "an LSTM with peepholes, but z_o = W_xo @ x_t + W_ho @ h_prev + w_co * c_prev + b_o"),
    (NORMED, [], "an LSTM with layer normalisation"),
    (NORMED, [("norm(c_new, gc, bc)", "c_new"), ("i * g\n", "g\n")],
     "an LSTM with layer normalisation, without an input gate, but c_t = f_t * c_prev + c_tilde; "
     "Ui, Wi, bc, bi, gc, gi are not read"),
    (LSTM, [("f * c +", "c +")],
     "an LSTM without a forget gate, but c_t = c_prev + i_t * c_tilde; Uf, Wf, bf are not read"),
    (LSTM, [("o * np.tanh(c_new),", "o * c_new,")], "an LSTM but h_t = o_t * c_t"),
    (LSTM, [("np.tanh(Wg", "sigmoid(Wg")], "an LSTM whose candidate is squashed by σ"),
    (LSTM, [("np.tanh(Wg", "(Wg")], "an LSTM whose candidate is not squashed"),
    (LSTM, [("o = sig", "o = 1 - sig")], "an LSTM but o_t = 1 - sigmoid(z_o)"),
    (LSTM, [("g = np.tanh(Wg @ x + Ug @ h + bg)", "g = Wg @ x + Ug @ h + bg\n    g = g / (1 + np.abs(g))")],
     "an LSTM but c_tilde = z_c / (1 + max(z_c, -z_c))"),
    (LSTM, [("g = np.tanh(Wg", "q = np.tanh(Wq"), ("Ug", "Uq"), ("bg", "bq"), ("f * c + i * g", "i * c + f * q")],
     "an LSTM but c_t = i_t * c_prev + f_t * c_tilde; Ug, Wg, bg are not read"),
    (LSTM, [(f"W{k} @ x + U{k} @ h + b{k}", f"np.clip(W{k} @ x + U{k} @ h + b{k}, -1, 1)") for k in "ifgo"],
     "an LSTM whose pre-activations are clipped at 1"),
    (LSTM, [("Uf @ h", "Ui @ h")], "an LSTM but z_f = W_xf @ x_t + W_hi @ h_prev + b_f; Uf is not read"),
    (LSTM, [("Wf @ x + Uf @ h + bf", "Wi @ x + Ui @ h + bi")],
     "an LSTM without a forget gate, but c_t = i_t * c_prev + i_t * c_tilde; Uf, Wf, bf are not read"),
    (LSTM, [(" @ h", " @ c")], "an LSTM but z_i = W_xi @ x_t + W_hi @ c_prev + b_i (and likewise z_f, z_c, z_o)"),
    (LSTM, [(f" + b{k}", "") for k in "ifgo"],
     "an LSTM but z_i = W_xi @ x_t + W_hi @ h_prev (and likewise z_f, z_c, z_o); bf, bg, bi, bo are not read"),
    (GRU, [], BEFORE),
    (GRU, [("Uh @ (r * h)", "r * (Uh @ h)")], "a GRU whose reset gate stands after the product"),
    (GRU, [("(r * h)", "h")],
     "a GRU without a reset gate, but z_h = W_xh @ x_t + W_hh @ h_prev + b_h; Ur, Wr, br are not read"),
    (GRU, [("(r * h)", "h"), ("np.tanh(", "np.maximum(0, ")],
     "a GRU without a reset gate, whose candidate is squashed by relu, but z_h = W_xh @ x_t + W_hh @ h_prev + b_h; "
     "Ur, Wr, br are not read"),
    (GRU, [("n = np.tanh(Wh @ x + Uh @ (r * h) + bh)", "a = Wh @ x + bh\n    n = np.tanh(Uh @ h + a)")],
     "a GRU without a reset gate, but z_h = W_xh @ x_t + W_hh @ h_prev + b_h; Ur, Wr, br are not read"),
    (GRU, [("(r * h)", "(z * h)")],
     "a GRU whose update gate is the reset gate too (a minimal gated unit); Ur, Wr, br are not read"),
    (GRU, [("Wh @ x + Uh @ (r * h) + bh", "r * (Wh @ x + Uh @ h + bh)")],
     "a GRU whose reset gate stands after the product, but z_h = r_t * (W_xh @ x_t + W_hh @ h_prev + b_h)"),
    (GRU, [("z * h + (1 - z) * n", "(1 - z) * h + z * n")], f"{BEFORE}, whose update gate weighs the candidate"),
    (GRU, [("(1 - z) * n", "(1 - r) * n")], f"{BEFORE}, but h_t = u_t * h_prev + (1 - r_t) * h_tilde"),
    (GRU, [("Ur @ h", "Uz @ h")], f"{BEFORE}, but z_r = W_xr @ x_t + W_hu @ h_prev + b_r; Ur is not read"),
    (RNN, [("np.tanh(Wa @ x + Ua @ h + ba)", "np.maximum(0, Wa @ x + Ua @ h + ba)")],
     "a simple RNN whose state is squashed by relu"),
    (RNN, [("np.tanh", "")], "a simple RNN whose state is not squashed"),
    (RNN, [("np.tanh", "h + 0.1 * np.tanh")], "a simple RNN but h_t = h_prev + 0.1 * tanh(z_h)"),
    (RNN, [("Wa @ x + ", "")], "a simple RNN but z_h = W_hh @ h_prev + b_h; Wa is not read"),
]  # fmt: skip


def made(text: str, changed: list[tuple[str, str]] = [], inputs: int = INPUTS, **arrays: Any) -> lt.Lifted:  # noqa: B006
    """The cell of a function's text after replacements; weights are random, in the shapes that their names say."""
    other = text
    for old, new in changed:
        assert old in other
        other = other.replace(old, new)
    weights = sorted({*re.findall(r"\b[WUVRbgp][a-z]\b", text + other)})
    states = ["h", "c"] if re.search(r"\bc\b", text) else ["h"]
    source = f"{SIGMOIDS['plain']}\ndef step({', '.join(['x', *states, *weights])}):{other}"
    names: dict[str, Any] = {"np": np}
    exec(compile(source, "step.py", "exec"), names)  # noqa: S102
    random = np.random.default_rng(0)
    width = 1 if "Ro" in weights else H
    sizes = {
        "W": (H, inputs),
        "U": (H, width),
        "V": (H, inputs + width),
        "R": (width, H),
        "b": (H,),
        "g": (H,),
        "p": (H,),
    }
    begin = {name: random.normal(size=width if name == "h" else H) for name in states}
    given = {name: arrays.get(name, random.normal(size=sizes[name[0]])) for name in weights}
    returns = ", ".join(states) if "* 2" in other else None
    return lt.lift(names["step"], given, random.normal(size=(T, inputs)), returns=returns, **begin)


@pytest.mark.few(5)
@pytest.mark.parametrize(("text", "changed", "said"), SAID)
def test_a_cell_is_called_what_it_is(text: str, changed: list[tuple[str, str]], said: str) -> None:
    found = made(text, changed)
    assert found.sentence == said
    as_named = not any(word in said for word in ("but", "is squashed", "not squashed", "gate is", "minimal"))
    assert found.compare().same is as_named
    assert (found.trace.header.kind == found.kind) is as_named


@pytest.mark.few(0)
def test_rows_that_are_not_read_are_named_and_are_those_of_the_named_cell() -> None:
    student = STUDENTS["cs231n"]
    found, _ = lifted(student, student.text.replace("i = sigmoid(a[:, 0:H])", "i = sigmoid(a[:, H:2*H])"))
    assert found.sentence == (
        "an LSTM without an input gate, but c_t = f_t * c_prev + f_t * c_tilde; "
        "Wx[:, 0:2], Wh[:, 0:2], b[0:2] are not read"
    )
    right, _ = lifted(student, student.text)
    np.testing.assert_array_equal(found.named["h_t"], right.trace["h_t"])


@pytest.mark.few(0)
@pytest.mark.parametrize("text", [LSTM, GRU])
def test_a_bias_or_a_matrix_that_is_forgotten_is_that_of_the_named_cell(text: str) -> None:
    right = made(text)
    for term in re.findall(r" \+ b[a-z]| \+ U[a-z] @ h(?! )", text)[:2]:
        found = made(text, [(term, "")])
        assert f"{term.split()[1]} is not read" in found.sentence
        np.testing.assert_allclose(found.named["h_t"], right.trace["h_t"], rtol=1e-14)


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("text", "old", "new"), [(GRU, "(r * h)", "h"), (LSTM, "i * g", "f * g"), (LSTM, "np.tanh(c_new),", "i,")]
)
def test_arrays_in_the_same_shape_that_are_not_read_keep_their_roles(text: str, old: str, new: str) -> None:
    right, found = made(text, inputs=H), made(text, [(old, new)], inputs=H)
    np.testing.assert_allclose(found.named["h_t"], right.trace["h_t"], rtol=1e-14)


@pytest.mark.parametrize(("size", "said"), [(5, "an LSTM; b is not read"), (4 * H, "an LSTM but z_i = ")])
def test_a_vector_that_is_not_read_is_a_bias_if_it_is_as_long_as_the_gates(size: int, said: str) -> None:
    def step(x: Any, h: Any, c: Any, W: Any, U: Any, b: Any) -> Any:
        i, f, o, g = np.split(W @ x + U @ h, 4)
        i, f, o = (1 / (1 + np.exp(-one)) for one in (i, f, o))
        c = f * c + i * np.tanh(g)
        return o * np.tanh(c), c

    random = np.random.default_rng(0)
    shapes = {"W": (4 * H, INPUTS), "U": (4 * H, H), "b": (size,)}
    weights = {name: random.normal(size=shape) for name, shape in shapes.items()}
    found = lt.lift(step, weights, random.normal(size=(T, INPUTS)), h=np.zeros(H), c=np.zeros(H))
    assert found.sentence.startswith(said)


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("text", "old", "new", "said"),
    [
        (LSTM, "Wf @ x", "Wf @ (x * x)", "z_f = W_xf @ (x_t * x_t) + W_hf @ h_prev + b_f"),
        (LSTM, "Wf @ x", "Wf @ np.maximum(x, 0)", "z_f = W_xf @ relu(x_t) + W_hf @ h_prev + b_f"),
        (RNN, "Wa @ x", "Wa @ (2 * x)", "z_h = W_xh @ (2 * x_t) + W_hh @ h_prev + b_h"),
        (LSTM, "Ug @ h", "Ug @ c", "z_c = W_xc @ x_t + W_hc @ c_prev + b_c"),
        (LSTM, "Uo @ h", "Uo @ (x[:H] + h)", "z_o = W_xo @ x_t + W_ho @ (x_t[0:2] + h_prev) + b_o"),
        (LSTM, "f * c", "f * h", "c_t = f_t * h_prev + i_t * c_tilde"),
    ],
)
def test_a_weight_keeps_its_role_if_it_multiplies_something_else(text: str, old: str, new: str, said: str) -> None:
    """The named cell has the same weights and states, so it computes what the right function does."""
    right, found = made(text), made(text, [(old, new.replace("H", str(H)))])
    assert found.sentence.endswith(f"but {said}")
    np.testing.assert_allclose(found.named["h_t"], right.trace["h_t"], rtol=1e-14)


def test_a_named_cell_with_other_weights_is_refused() -> None:
    weights = {name: np.ones((H, H)) for name in ("Wz", "Uz", "Wn", "Un")}

    def step(x: Any, h: Any, Wz: Any, Uz: Any, Wn: Any, Un: Any) -> Any:
        z = 1 / (1 + np.exp(-(Wz @ x + Uz @ h)))
        return z * h + (1 - z) * np.tanh(Wn @ x + Un @ (z * h))

    found = lt.lift(step, weights, np.ones((T, H)), h=np.zeros(H))
    assert found.sentence == "a GRU whose update gate is the reset gate too (a minimal gated unit)"
    with pytest.raises(lt.MissingError, match="it has no W_xr, W_hr to compare the two with"):
        found.compare()


def test_gates_in_two_orders_are_said() -> None:
    def step(x: Any, h: Any, W: Any, U: Any) -> Any:
        a_z, a_r, a_n = np.split(W @ x, 3)
        r, z, n = np.split(U @ h, 3)
        z, r = 1 / (1 + np.exp(-a_z - z)), 1 / (1 + np.exp(-a_r - r))
        return z * h + (1 - z) * np.tanh(a_n + r * n)

    random = np.random.default_rng(0)
    weights = {"W": random.normal(size=(3 * H, INPUTS)), "U": random.normal(size=(3 * H, H))}
    found = lt.lift(step, weights, random.normal(size=(T, INPUTS)), h=np.zeros(H))
    assert found.sentence.endswith("; its gates stand in the order u, r, h in W and r, u, h in U")


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("text", "changed", "said"),
    [
        (LSTM, [("Uf @ h", "Uf.T @ h")], "W_hf = Uf.T"),
        (LSTM, [(f"U{k} @ h", f"U{k}.T @ h") for k in "ifg"], "W_ho = Uo.T"),
        (LSTM, [("Wf @ x + Uf @ h", "Uf @ x + Wf @ h")], "W_xf = Uf and W_hf = Wf"),
        (LSTM, [(f"W{k} @ x + U{k} @ h", f"V{k} @ np.concatenate([{v}])") for k, v in
                {"i": "x, h", "f": "h, x", "g": "x, h", "o": "x, h"}.items()],
         "W_xf = Vf[:, 2:4] and W_hf = Vf[:, 0:2]"),
    ],
)  # fmt: skip
def test_a_gate_that_reads_its_weights_in_another_way_is_said(
    text: str, changed: list[tuple[str, str]], said: str
) -> None:
    found = made(text, changed, inputs=H)
    assert found.sentence.startswith(f"an LSTM; {said}, unlike in the other gates")
    assert all(name in str(found) for name in said.split(" and "))


def test_a_part_that_is_transposed_is_said_too() -> None:
    def step(x: Any, h: Any, W: Any, U: Any) -> Any:
        z, r = (1 / (1 + np.exp(-(W[k : k + H] @ x + U[k : k + H] @ h))) for k in (0, H))
        return z * h + (1 - z) * np.tanh(W[2 * H :] @ x + r * (U[2 * H :].T @ h))

    random = np.random.default_rng(0)
    weights = {"W": random.normal(size=(3 * H, INPUTS)), "U": random.normal(size=(3 * H, H))}
    found = lt.lift(step, weights, random.normal(size=(T, INPUTS)), h=np.zeros(H))
    assert found.sentence.endswith("after the product; W_hh = U[4:6].T, unlike in the other gates")


# -- what the code calls them ------------------------------------------------------------------------------------------


@pytest.mark.few(0)
def test_reports_and_comparisons_say_what_the_code_calls_a_line(tmp_path: Path) -> None:
    student = STUDENTS["cs231n"]
    found, _ = lifted(student, student.text.replace("o * np.tanh(next_c)", "o * next_c"))
    assert found.aliases["c_t"] == "next_c"
    assert found.aliases["W_xf"] == "Wx[:, 2:4]"
    report = " ".join(found.trace.report("text", steps=slice(2), batch=0).split())
    assert "State c_t, in your code next_c" in report
    assert "c̃_t (g)" in report
    assert "W_hf (Wh[:, 2:4])" in report
    assert report.count("in your code next_c") == 1  # at the first step
    assert "in Ihrem Code `next_c`" in found.trace.report("md", steps=0, batch=0, language="de")
    said = " ".join(found.compare().report("text").split())
    assert said.startswith("Difference of lstm and step ")
    assert "a has h_t = o_t * tanh(c_t), b has h_t = o_t * c_t, in your code next_h; " in said
    assert "only in" not in said
    for suffix in ("json", "safetensors"):
        found.trace.save(tmp_path / f"trace.{suffix}")
        assert lt.load(tmp_path / f"trace.{suffix}").equals(found.trace)
    lt.run(found.weights, found.trace.x).save(tmp_path / "plain.json")
    assert "aliases" not in (tmp_path / "plain.json").read_text()


def test_a_lifted_cell_stands_for_its_trace_and_knows_the_names_of_the_code() -> None:
    found = made(LSTM, [("o * np.tanh(c_new),", "o * c_new,")])
    assert lt.verify(found).verdict == "verified"  # type: ignore[arg-type]
    assert lt.edit(found, {"0/x_t[0]": 1.0}).header.aliases == found.aliases  # type: ignore[arg-type]
    told = [lt.explain.memory(one, "2/c_t[0]").report("text") for one in (found, found.trace)]  # type: ignore[arg-type]
    assert told[0] == told[1]
    np.testing.assert_array_equal(lt.run(found, found.trace.x[:1])["h_t"].shape, (1, 1, H))
    with pytest.raises(lt.OptionError, match="trace: expected a trace"):
        lt.verify(np.eye(2))  # type: ignore[arg-type]
    np.testing.assert_array_equal(found.trace["c_new"], found.trace["c_t"])
    assert "c_t[1]" in lt.derivation(found, "2/0/c_new[1]").report("text")  # type: ignore[arg-type]
    text = str(found).splitlines()
    assert text[0] == "step: an LSTM but h_t = o_t * c_t"
    assert re.search(r"^c_t = f_t \* c_prev \+ i_t \* c_tilde +# c_new$", str(found), re.M)
    assert text[-4] == "W_xi = Wi, W_hi = Ui, b_i = bi"
    assert "<pre>step: an LSTM but" in found._repr_html_()


OWN = """
    drive = np.tanh(Wa @ x + ba)
    leak = sigmoid(Ua @ h)
    mix = leak * h + (1 - leak) * drive
    return mix + 0.1 * np.tanh(Ub @ mix)
"""
OTHER = """
    forget = sigmoid(Uc @ h)
    u = np.tanh(bb + Wc @ x)
    m = (1 - forget) * u + forget * h
    return m + 0.1 * np.tanh(Ud @ m)
"""


@pytest.mark.few(0)
def test_cells_with_other_names_are_compared_line_by_line() -> None:
    one = made(OWN)
    given = {new: one.weights[old] for new, old in {"Uc": "Ua", "bb": "ba", "Wc": "Wa", "Ud": "Ub"}.items()}
    assert lt.diff(one, made(OTHER, **given)).verdict == "same"
    assert not lt.diff(one, made(OTHER, **given)).notes
    for changed, line in ((("forget * h", "h"), "mix = leak * h_prev"), (("0.1 *", "0.2 *"), "h_t = mix + 0.1")):
        found = lt.diff(one, made(OTHER, [changed], **given))
        assert found.first is not None
        assert found.first.line == line.split()[0]
        said = " ".join(found.report("text").split())
        assert f"its equation differs: a has {line}" in said
        assert "only in" not in said
    texts = (
        "    c_new = {} * c + np.tanh(Wa @ x)\n    return c_new * c_new, c_new",
        "    m = {} * c + np.tanh(Wa @ x)\n    return -m, m",
    )
    found = lt.diff(*(made(f"\n{text.format(k)}\n") for k, text in enumerate(texts, 2)))
    assert "b has c_new = 3 * c_prev + tanh(Wa @ x_t), in your code m" in " ".join(found.report("text").split())


@pytest.mark.few(1)
@pytest.mark.parametrize("names", [("short", "long"), ("y", "c"), ("out", "mem"), ("a", "b")])
def test_what_states_are_called_does_not_decide_what_a_cell_is(names: tuple[str, str]) -> None:
    source = f"def step(x, hid, mem, {', '.join(f'{k}{g}' for k in 'WUb' for g in 'ifgo')}):{LSTM}"
    source = re.sub(r"\bh\b", "hid", re.sub(r"\bc\b", "mem", source)).replace("hid", names[0]).replace("mem", names[1])
    made_of: dict[str, Any] = {"np": np, "sigmoid": lambda z: 1 / (1 + np.exp(-z))}
    exec(source, made_of)  # noqa: S102
    right = made(LSTM)
    weights = {right.aliases[name]: array for name, array in right.weights.items()}
    begin = {name: right.trace.initial["0/forward"][f"{one}_prev"][0] for name, one in zip(names, "hc", strict=True)}
    found = lt.lift(made_of["step"], weights, right.trace.x[:, 0], states=begin)
    assert found.sentence == "an LSTM"
    assert found.named.equals(right.named)


@pytest.mark.few(3)
@pytest.mark.parametrize("text", [LSTM, GRU, RNN, re.sub("U([ifo]) @ h", r"U\1 @ h + p\1 * c", LSTM)])
@pytest.mark.parametrize("inputs", [1, 2])
def test_a_cell_of_one_unit_may_be_written_with_numbers(text: str, inputs: int) -> None:
    weights = {name: 0.1 * k + 0.2 for k, name in enumerate(sorted({*re.findall(r"\b[WUbp][a-z]\b", text)}))}
    states = {"h": 0.3, "c": -0.2} if "c_new" in text else {"h": 0.3}
    source = f"def step(x, {', '.join([*states, *weights])}):{text.replace('U', ' U').replace('@ h', '* h')}"
    source = source.replace("@ (r * h)", "* (r * h)").replace("@ x", "@ x" if inputs > 1 else "* x")
    made_of: dict[str, Any] = {"np": np, "sigmoid": lambda z: 1 / (1 + np.exp(-z))}
    exec(source, made_of)  # noqa: S102
    given = {name: np.array([one, 0.1]) if inputs > 1 and name[0] == "W" else one for name, one in weights.items()}
    x = np.linspace(-1, 1, T * inputs).reshape((T, inputs) if inputs > 1 else T)
    found = lt.lift(made_of["step"], given, x, **states)
    assert found.kind == ("lstm" if "c" in states else "gru" if "Uz" in text else "rnn")
    assert (" but z_o = W_xo @ x_t + W_ho @ h_prev + w_co * c_prev + b_o" in found.sentence) is ("pf" in text)
    assert found.compare().same is ("pf" not in text)
    assert ("w_cf" in found.weights) is ("pf" in text)


def test_weights_that_are_computed_or_cut_are_called_by_what_they_are_made_of() -> None:
    scaled = {"Wf @ x": "(0.5 * Wf) @ x", "+ bi": "+ 2 * bi", "Uo @ h": "(Uo * Uf) @ h", "Ug @ h": "np.tril(Ug) @ h"}
    found = made(LSTM, [*scaled.items()])
    assert [found.aliases[name] for name in ("W_xf", "b_i", "W_ho", "W_hc")] == [
        "0.5 * Wf",
        "2 * bi",
        "Uo * Uf",
        "…(Ug)",
    ]
    assert " = ," not in str(found)
    assert found.sentence == "an LSTM; W_xf = 0.5 * Wf and b_i = 2 * bi, unlike in the other gates"

    def step(x: Any, h: Any, W: Any) -> Any:
        return np.tanh(W[:, 0:2] @ x[:2]) * h + np.exp(W[:, 1:3] @ x[1:])

    random = np.random.default_rng(0)
    own = lt.lift(step, {"W": random.normal(size=(H, INPUTS))}, random.normal(size=(T, INPUTS)), h=np.zeros(H))
    assert {name: own.aliases[name] for name in own.weights} == {"W_0_2": "W[:, 0:2]", "W_1_3": "W[:, 1:3]"}


@pytest.mark.parametrize(
    ("written", "transposed"),
    [("(Uf * h).sum(1)", False), ("np.sum(h[None] * Uf, axis=-1)", False), ("(h[:, None] * Uf).sum(0)", True)],
)
def test_a_product_that_is_written_as_a_sum_is_one(written: str, transposed: bool) -> None:
    found = made(LSTM, [("Uf @ h", written)])
    assert found.cell.equations["z_f"] == "W_xf @ x_t + W_hf @ h_prev + b_f"
    plain = made(LSTM, [("Uf @ h", "Uf.T @ h" if transposed else "Uf @ h")])
    np.testing.assert_array_equal(found.weights["W_hf"], plain.weights["W_hf"])
    assert found.sentence == plain.sentence
