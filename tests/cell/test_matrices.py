"""Lines with rows and columns: what the text says to be a matrix, its sizes, its gradients, and what is refused."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from lstm_trace.cell.adjoint import adjoint, secants
from lstm_trace.cell.lines import Cell, with_holds
from lstm_trace.cell.parse import parse
from lstm_trace.cell.shapes import grids, infer
from lstm_trace.cell.variants import definition, extended, masked, supplied
from lstm_trace.errors import CellError, ShapeError

from ..support.matrix_cells import CELLS, equations, shapes as shapes_of
from ..support.random_matrices import RandomCell, walk
from ..support.slopes import At, secant


def inferred(cell: Cell, shapes: Any, **known: int) -> dict[str, int]:
    return infer(cell, cell.by_name, shapes, {name: (width, f"from {name[0]}") for name, width in known.items()})


# -- the text ---------------------------------------------------------------------------------------------------------


@pytest.mark.few(2)
@pytest.mark.parametrize("name", CELLS)
def test_the_text_of_a_cell_is_read_back(name: str) -> None:
    cell = parse(equations(name))
    assert parse(cell.text) == cell
    for changed in (
        masked(cell, "zero"),
        masked(cell, "repeat"),
        extended(cell, f"a_9 = sum({cell.output})"),
        supplied(cell, [next(line.name for line in cell.lines if line.name in cell.matrices)]),
    ):
        again = parse(changed.text)
        assert again == changed
        assert again.matrices == changed.matrices


def test_which_side_of_a_product_is_the_matrix_is_known_when_all_equations_are() -> None:
    cell = parse("a = S_prev @ x_t\nb = x_t @ S_prev\nS_t = 0.5 * S_prev + outer(a, b)\ncarry: S_prev <- S_t")
    assert [(line.op, line.memory) for line in cell.lines[:2]] == [
        ("memvec", ("S_prev", "x_t")), ("vecmem", ("S_prev", "x_t")),
    ]  # fmt: skip
    assert cell.matrices == {"S_prev", "0.5 * S_prev", "outer(a, b)", "S_t"}
    assert [line.summed for line in cell.lines[:2]] == [1, 0]


def test_a_value_beside_a_matrix_may_be_one() -> None:
    text = "C_t = b * outer(x_t, v_t) - M_t + sum(N)\ny_t = v_t * b_2\ninput: x_t, v_t, M_t"
    assert parse(text).matrices - parse(text).certain == {"b", "M_t"}
    assert parse(f"{text}\nmatrix: N, M_t").declared == ("N", "M_t")
    assert "b" not in parse(f"{text}\nz_t = b * x_t").matrices  # a vector or number there


def test_a_function_may_read_a_matrix() -> None:
    rows = [
        "read(C, v) = tanh(C @ v)",
        "C_t = outer(x_t, x_t)",
        "y_t = read(C_t, x_t) + read(W, x_t)",
        "z_t = x_t @ C_t",
    ]
    cell = parse("\n".join(rows))
    assert parse(cell.text) == cell
    assert [line.op for line in cell.lines if "@" in line.name] == ["memvec", "matvec"]
    for call in (line for line in cell.lines if line.call):
        inner, value = definition(cell, call)
        assert [line.op for line in inner.lines] == (["memvec"] if "C_t" in call.call else ["matvec"])
        assert value.op == "tanh"


def test_cells_without_matrices_are_as_before() -> None:
    cell = parse("h_t = tanh(W @ x_t)")
    assert (cell.text, cell.matrices) == ("h_t = tanh(W @ x_t)\noutput: h_t\n", frozenset())


def test_a_held_line_may_be_a_matrix() -> None:
    cell = parse("C_t = 0.5 * C_prev + outer(x_t, x_t)\ny_t = C_t @ x_t\ncarry: C_prev <- C_t\noutput: y_t")
    held = with_holds(cell, ["C_t"], ["C_t", "outer(x_t, x_t)"])
    assert held.matrices >= {"hold_C_t", "to_C_t", "free_C_t", "by_C_t", "by_outer_x_t_x_t"}
    assert parse(held.text) == held
    assert adjoint(held).matrices >= {"hold_C_t", "d_C_next"}


def test_a_declared_input_may_be_an_expression() -> None:
    cell = supplied(parse("y_t = outer(x_t, x_t) @ x_t + sum(outer(x_t, x_t))"), ["outer(x_t, x_t)"])
    assert cell.text.splitlines() == [
        "input: x_t, outer(x_t, x_t)", "y_t = outer(x_t, x_t) @ x_t + sum(outer(x_t, x_t))",
        "matrix: outer(x_t, x_t)", "output: y_t",
    ]  # fmt: skip
    assert parse(cell.text) == cell


#: What is refused, with the whole message.
REFUSED = {
    "C_t = outer(x_t, x_t)\nD_t = tanh(C_t)\ny_t = C_t @ D_t": """\
equation 3: C_t and D_t are both matrices, and one side of @ must be a vector; unit by unit their product is written \
C_t * D_t
    y_t = C_t @ D_t
          ^""",
    "y_t = 2 * x_t @ x_t": """\
equation 1: one side of @ must be a weight matrix, and both are computed or fed; if 2 * x_t is a matrix, let \
outer(a, b) compute it
    y_t = 2 * x_t @ x_t
          ^""",
    "y_t = m_t @ x_t\ninput: x_t, m_t": """\
equation 1: one side of @ must be a weight matrix, and both are computed or fed; if m_t is a matrix, declare \
`matrix: m_t`
    y_t = m_t @ x_t
          ^""",
    "C_t = outer(x_t, x_t)\ny_t = outer(C_t, x_t)": """\
equation 2: outer takes two vectors, and C_t is a matrix
    y_t = outer(C_t, x_t)
                ^""",
    "y_t = outer(x_t, 2)": """\
equation 1: outer takes two vectors, and a number has no units; write 2 * x_t
    y_t = outer(x_t, 2)
          ^""",
    "y_t = outer(2, 3)": """\
equation 1: outer takes two vectors, and a number has no units; write 2 * 3
    y_t = outer(2, 3)
          ^""",
    "C_t = outer(x_t, x_t)\ny_t = C_t[0:2]": """\
equation 2: a part of a matrix is not in the grammar, and C_t is a matrix; e @ C_t is a row of it, where e is 1 at \
that row and 0 elsewhere
    y_t = C_t[0:2]
          ^""",
    "C_t = outer(x_t, x_t)\ny_t = C_t[1,0]": """\
equation 2: a part of a vector is written z[2:5], with the first unit and the one after the last; an entry or a part \
of a matrix C is not in the grammar: e @ C is a row of C, where e is 1 at that row and 0 elsewhere, and (e @ C)[0] \
an entry
    y_t = C_t[1,0]
          ^""",
    "C_t = outer(x_t, x_t)\nD = tanh(C_t @ C_t)\ny_t = D @ x_t": """\
equation 2: C_t and C_t are both matrices, and one side of @ must be a vector; unit by unit their product is written \
C_t * C_t
    D = tanh(C_t @ C_t)
             ^""",
    "C_t = outer(x_t, x_t)\ny_t = concat(x_t, C_t)": """\
equation 2: concat joins vectors, and C_t is a matrix; e @ C_t is a row of it, where e is 1 at that row and 0 elsewhere
    y_t = concat(x_t, C_t)
                      ^""",
    "y_t = A @ x_t + outer(x_t, x_t) @ x_t\nmatrix: A": """\
equation 2: `A @ x_t` shows that A is a matrix; leave it out here
    matrix: A
            ^""",
    "C_t = outer(x_t, x_t)\ny_t = C_t @ x_t\nmatrix: C_t": """\
equation 3: C_t has an equation, which decides whether it is a matrix; inputs and weights are declared
    matrix: C_t
            ^""",
    "y_t = sum(A_lg)\nmatrix: A_log, A_lg": """\
equation 2: no equation reads 'A_log'; did you mean 'A_lg'?
    matrix: A_log, A_lg
            ^""",
    "y_t = sum(C_prev)\nv_t = 2 * x_t\ncarry: C_prev <- v_t\nmatrix: C_prev": """\
equation 3: C_prev is declared to be a matrix, and v_t, which it takes over, is a vector
    carry: C_prev <- v_t
                     ^""",
    "F_t = outer(x_t, x_t)\ny_t = (V + F_t) @ x_t + V @ x_t": """\
equation 2: V is a matrix in `V @ x_t`, but `V + F_t` reads it unit by unit; give the weight a second name there, and \
the same values: V_2
    y_t = (V + F_t) @ x_t + V @ x_t
           ^""",
    "S_t = S_prev @ x_t\ncarry: S_prev <- S_t": """\
equation 1: one side of @ must be a weight matrix, and both are computed or fed; if S_prev is a matrix, declare \
`matrix: S_prev`
    S_t = S_prev @ x_t
          ^""",
    "y_t = outer(x_t, ones(3))": """\
equation 1: ones(3) is a single 1: ones(u) has a 1 for each unit of u; write a vector in place of 3
    y_t = outer(x_t, ones(3))
                     ^""",
    "W = outer(x_t, x_t)\nmatrix: W\nmatrix: V": """\
equation 3: matrix is declared twice; write all of it in one row
    matrix: V
    ^""",
}  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_refused_is_named_with_its_equation(text: str) -> None:
    with pytest.raises(CellError) as error:
        parse(text)
    assert [*error.value.problems] == [REFUSED[text]]


# -- sizes ------------------------------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(st.sampled_from(sorted(CELLS)), st.tuples(*[st.integers(1, 6)] * 3))
def test_the_sizes_of_the_cells_of_papers_are_inferred(name: str, sizes: tuple[int, int, int]) -> None:
    cell = parse(equations(name))
    shapes, states = shapes_of(name, *sizes)
    widths = inferred(cell, shapes, x_t=sizes[0])
    found = grids(cell, shapes, {"x_t": sizes[0]})
    given = {n: shape for n, shape in {**shapes, **states}.items() if n in cell.matrices}
    assert given
    assert {n: found[n] for n in given} == given
    assert found.keys() == cell.matrices
    assert all(widths[name] == rows * columns for name, (rows, columns) in found.items() if name in widths)
    # the adjoint reads matrices without the equations that make them
    known = {**widths, "x_t": sizes[0], **{name: int(np.prod(shape)) for name, shape in shapes.items()}}
    back = adjoint(cell, widths=known)
    fed = {name: known[name.removeprefix("seed_")] for name in back.inputs}
    theirs = inferred(back, {n: shape for n, shape in shapes.items() if n in back.parameters}, **fed)
    gradients = dict(back.gradient)
    assert all(theirs[new] == known[of] for new, of in gradients.items() if new in theirs)
    assert parse(back.text) == back


def two(**more: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    return {"W": (3, 2), "V": (4, 2), **more}


OUTER = "v_t = W @ x_t\nk_t = V @ x_t\nC_t = outer(v_t, k_t)"
#: Shapes that do not fit, with the whole message.
MISFITS: list[tuple[str, dict[str, tuple[int, ...]], str]] = [
    (
        f"{OUTER}\nD_t = C_t + outer(k_t, v_t)", two(), """\
equation 4: line `D_t`: C_t has 3 rows and 4 columns, outer(k_t, v_t) has 4 rows and 3 columns
    D_t = C_t + outer(k_t, v_t)
                ^""",
    ), (
        f"{OUTER}\nD_t = v_t * C_t", two(), """\
equation 4: line `D_t` has a vector beside a matrix: write outer(v_t, ones(u)), where u has a unit for each column, or \
outer(ones(u), v_t), where it has one for each row
    D_t = v_t * C_t
          ^""",
    ), (
        f"{OUTER}\nD_t = b + C_t", two(b=(12,)), """\
equation 4: line `D_t` has a vector beside a matrix: write outer(b, ones(u)), where u has a unit for each column, or \
outer(ones(u), b), where it has one for each row
    D_t = b + C_t
          ^""",
    ), (
        f"{OUTER}\nD_t = M * C_t", two(M=(4, 3)), """\
equation 4: line `D_t`: M has 4 rows and 3 columns, C_t has 3 rows and 4 columns
    D_t = M * C_t
              ^""",
    ), (
        f"{OUTER}\nA = exp(M)\nD_t = A * C_t", two(M=(3, 4)), """\
equation 4: M has shape (3, 4); line `A` needs a vector; if it is a matrix, declare `matrix: M`
    A = exp(M)
            ^""",
    ), (
        f"{OUTER}\nA = exp(M)\nD_t = A * C_t\nmatrix: M", two(M=(4,)), """\
equation 4: M has shape (4,); line `A` needs a matrix (rows, columns)
    A = exp(M)
            ^""",
    ), (
        "h_t = outer(W @ x_t, x_t) + h_prev\ny_t = M @ h_prev\ncarry: h_prev <- h_t", {"W": (3, 2), "M": (2, 3)}, """\
equation 2: M has shape (2, 3), and @ does not multiply it by the matrix h_prev; multiply the vectors that h_prev is \
made of: outer(M @ a, b)
    y_t = M @ h_prev
          ^""",
    ), (
        f"{OUTER}\ny_t = M @ C_t", two(M=(2, 3)), """\
equation 4: M has shape (2, 3), and @ does not multiply it by the matrix C_t; multiply the vectors that C_t is made \
of: outer(M @ a, b)
    y_t = M @ C_t
          ^""",
    ), (
        f"{OUTER}\ny_t = C_t @ M", two(M=(4, 3)), """\
equation 4: M has shape (4, 3), and @ does not multiply it by the matrix C_t; multiply the vectors that C_t is made \
of: outer(a, b @ M)
    y_t = C_t @ M
                ^""",
    ), (
        f"{OUTER}\ny_t = C_t @ v_t", two(), """\
equation 4: line `y_t`: C_t has 3 rows and 4 columns, and v_t has width 3; v_t @ C_t would fit
    y_t = C_t @ v_t
                ^""",
    ), (
        f"{OUTER}\nr_t = U @ x_t\ny_t = r_t @ C_t", two(U=(5, 2)), """\
equation 5: line `y_t`: C_t has 3 rows and 4 columns, and r_t has width 5
    y_t = r_t @ C_t
          ^""",
    ), (
        f"{OUTER}\nD_t = M * C_t\nmatrix: M", two(M=(1,)), """\
equation 4: line `D_t`: M has 1 row and 1 column, C_t has 3 rows and 4 columns
    D_t = M * C_t
              ^""",
    ), (
        f"{OUTER}\nD_t = outer(M, v_t)", two(M=(3, 2)), """\
equation 4: M has shape (3, 2); line `D_t` needs a vector
    D_t = outer(M, v_t)
                ^""",
    ),
]  # fmt: skip


def test_a_comma_at_the_end_of_a_declaration_says_nothing() -> None:
    assert parse(f"{OUTER}\ny_t = sum(M * C_t)\nmatrix: M,").declared == ("M",)
    assert parse(f"{OUTER}\nmatrix:").declared == ()


@pytest.mark.parametrize(("text", "shapes", "message"), MISFITS)
def test_the_line_that_is_wrong_is_named(text: str, shapes: Any, message: str) -> None:
    with pytest.raises(ShapeError) as error:
        inferred(parse(text), shapes, x_t=2)
    assert message in error.value.problems


def test_an_initial_matrix_has_as_many_numbers_as_its_equations_say() -> None:
    cell = parse(f"{OUTER.replace('C_t =', 'C_t = C_prev +')}\ny_t = C_t @ k_t\ncarry: C_prev <- C_t")
    assert inferred(cell, two(), x_t=2, C_prev=12)["C_t"] == 12
    with pytest.raises(ShapeError, match=r"C has width 11; line `C_t` needs \(3, 4\) = 12"):
        inferred(cell, two(), x_t=2, C_prev=11)


def test_an_input_beside_a_matrix_may_be_one_or_a_number() -> None:
    cell = parse(f"{OUTER}\nD_t = m_t * C_t + n_t\ninput: x_t, m_t, n_t")
    assert inferred(cell, two(), x_t=2, m_t=12, n_t=1)["D_t"] == 12
    assert grids(cell, two(), {"x_t": 2, "m_t": 12, "n_t": 1}).keys() >= {"m_t", "D_t"}
    assert "n_t" not in grids(cell, two(), {"x_t": 2, "m_t": 12, "n_t": 1})
    with pytest.raises(ShapeError, match="line `m_t \\* C_t` has a vector beside a matrix"):
        inferred(cell, two(), x_t=2, m_t=4, n_t=1)
    held = with_holds(
        parse("C_t = 0.5 * C_prev\ny_t = C_t @ x_t\nmatrix: C_prev\ncarry: C_prev <- C_t\noutput: y_t"), ["C_t"]
    )
    assert inferred(held, {}, x_t=3, C_prev=6, hold_C_t=6, to_C_t=6)["y_t"] == 2


DELTA = "k_t = W_k @ x_t\nS_t = 0.9 * S_prev + outer(S_prev @ k_t, k_t)"


@pytest.mark.parametrize(
    ("text", "grid"),
    [
        ("k_t = W_k @ x_t\na_t = S_prev @ k_t\nb_t = k_t @ S_prev\nS_t = S_prev - outer(a_t, b_t)", (3, 3)),
        ("k_t = W_k @ x_t\nb_t = k_t @ S_prev\na_t = S_prev @ k_t\nS_t = S_prev - outer(a_t, b_t)", (3, 3)),
        (f"{DELTA}\ny_t = W_y @ (S_t @ k_t)", (4, 3)),
        (f"y_t = W_y @ (S_prev @ (W_k @ x_t))\n{DELTA}", (4, 3)),
        ("k_t = W_k @ x_t\nb_t = k_t @ S_prev\nS_t = S_prev + outer(k_t, b_t)", (3, 1)),  # nothing says more
    ],
)
def test_what_a_state_is_multiplied_by_says_its_rows_and_columns(text: str, grid: tuple[int, int]) -> None:
    cell = parse(f"{text}\ncarry: S_prev <- S_t")
    shapes = {name: {"W_k": (3, 2), "W_y": (2, 4)}[name] for name in cell.parameters}
    assert inferred(cell, shapes, x_t=2)["S_t"] == grid[0] * grid[1]
    assert grids(cell, shapes, {"x_t": 2})["S_t"] == grid


def test_rows_and_columns_follow_from_a_width_and_one_of_them() -> None:
    text = "y_t = M_t @ v_t + b\nz_t = y_t @ N_t\ninput: M_t, N_t, v_t\nmatrix: M_t, N_t"
    cell, widths = parse(text), {"M_t": 6, "v_t": 3, "N_t": 10}
    assert inferred(cell, {"b": (2,)}, **widths) == {"M_t @ v_t": 2, "y_t": 2, "z_t": 5}
    assert grids(cell, {"b": (2,)}, widths) == {"M_t": (2, 3), "N_t": (2, 5)}
    square = parse("h_t = M_t @ h_prev + x_t\ninput: x_t, M_t\nmatrix: M_t\ncarry: h_prev <- h_t")
    assert inferred(square, {}, M_t=9, x_t=3)["h_prev"] == 3
    alone = parse("y_t = tanh(M_t)\ninput: M_t\nmatrix: M_t")
    assert grids(alone, {}, {"M_t": 6}) == {"M_t": (6, 1), "y_t": (6, 1)}  # nothing says more
    with pytest.raises(ShapeError, match=r"line `y_t`: the widths of its operands do not fit \(M_t: 7, v_t: 3\)"):
        inferred(parse("y_t = M_t @ v_t\ninput: M_t, v_t\nmatrix: M_t"), {}, M_t=7, v_t=3)


def test_heads_are_parts_of_vectors() -> None:
    rows = [f"C_{n} = outer(v_t[{3 * n}:{3 * n + 3}], k_t[{2 * n}:{2 * n + 2}])" for n in range(2)]
    text = "\n".join(["v_t = W @ x_t", "k_t = V @ x_t", *rows, "h_t = concat(C_0 @ k_t[0:2], C_1 @ k_t[2:4])"])
    shapes = {"W": (6, 5), "V": (4, 5)}
    assert inferred(parse(text), shapes, x_t=5)["h_t"] == 6
    assert grids(parse(text), shapes, {"x_t": 5})["C_1"] == (3, 2)


@pytest.mark.parametrize("op", ["outer", "memvec", "vecmem"])
def test_a_product_with_a_matrix_that_is_a_value_adds_up(op: str) -> None:
    rng = np.random.default_rng(4)
    widths = {"outer": (3, 2), "memvec": (6, 2), "vecmem": (3, 6)}[op]
    one, two = (At(op, *(rng.normal(size=(5, width)) for width in widths)) for _ in range(2))
    sides = zip(secant(one, two), one.operands, two.operands, strict=True)
    parts = [(slope * (a - b)).sum(axis=-1) for slope, a, b in sides]
    np.testing.assert_allclose(sum(parts), (one.y - two.y).sum(axis=-1), rtol=1e-13, atol=1e-14)


# -- random cells -----------------------------------------------------------------------------------------------------


def drawn(made: RandomCell, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    rng = np.random.default_rng(seed)
    weights = {name: rng.normal(size=shape) for name, shape in made.shapes.items()}
    return weights, {"x_t": rng.normal(size=(3, made.sizes[0]))}


@settings(max_examples=150)
@given(st.integers(0, 1 << 32))
def test_random_cells_are_read_back_and_their_sizes_are_inferred(seed: int) -> None:
    made = RandomCell(Random(seed))  # noqa: S311
    cell = parse(made.text)
    assert parse(cell.text) == cell
    widths = inferred(cell, made.shapes, x_t=made.sizes[0])
    live = {name: width for name, width in made.widths.items() if name in widths}
    assert {name: widths[name] for name in live} == live
    found = grids(cell, made.shapes, {"x_t": made.sizes[0]})
    assert {n: grid for n, grid in found.items() if n in made.kinds} == {
        n: made.grids[n] for n in found if n in made.kinds
    }
    weights, fed = drawn(made, seed)
    values = walk(cell, weights, fed, widths)
    assert {name: values[name].shape[-1] for name in widths} == widths


@settings(max_examples=60)
@given(st.integers(0, 1 << 32))
def test_gradients_of_random_cells_are_slopes(seed: int) -> None:
    made = RandomCell(Random(seed))  # noqa: S311
    cell = parse(made.text)
    weights, fed = drawn(made, seed)
    known = {**inferred(cell, made.shapes, x_t=made.sizes[0]), "x_t": made.sizes[0]}
    known |= {name: value.size for name, value in weights.items()}
    values = walk(cell, weights, fed, known) | {"seed_y_t": np.ones((3, 1))}
    back = adjoint(cell, widths=known)
    # the cell's states: their values before each step
    there = walk(back, weights, {n: values[n] for n in back.inputs}, {n: known[of] for n, of in back.gradient}, True)
    rng, noise = np.random.default_rng(seed), 1e-9 * np.abs(values["y_t"]).max()  # of the difference below
    for name in set(weights) & {of for _, of in back.gradient}:
        step = rng.normal(size=weights[name].shape)
        sides = [
            walk(cell, {**weights, name: weights[name] + e * step}, fed, known)["y_t"].sum() for e in (1e-6, -1e-6)
        ]
        slope = (there[f"d_{name}"].reshape(step.shape) * step).sum()
        assert slope == pytest.approx((sides[0] - sides[1]) / 2e-6, rel=2e-4, abs=2e-5 + noise), (name, made.text)


@settings(max_examples=60)
@given(st.integers(0, 1 << 32))
def test_secants_of_random_cells_add_up(seed: int) -> None:
    made = RandomCell(Random(seed))  # noqa: S311
    cell = parse(made.text)
    known = {**inferred(cell, made.shapes, x_t=made.sizes[0]), "x_t": made.sizes[0]}
    ours, theirs = drawn(made, seed), drawn(made, seed + 1)
    known |= {name: value.size for name, value in ours[0].items()}
    own, base = (walk(cell, *both, known) for both in (ours, theirs))
    found = secants(cell, widths=known)
    sides = {"own": {**own, **ours[0]}, "base": {**base, **theirs[0]}}
    sides["mean"] = {name: (value + theirs[0][name]) / 2 for name, value in ours[0].items()}
    given = {new: sides[side][name] for new, (side, name) in found.reads.items()} | {"seed_y_t": np.ones((3, 1))}
    back = found.cell
    there = walk(
        back, {n: given[n] for n in back.parameters}, {n: given[n] for n in back.inputs},
        {new: known[of] for new, of in back.gradient}, True,
    )  # fmt: skip
    parts = [(there[new] * (own[of] - base[of])).sum() for new, of in back.gradient if of == "x_t"]
    gaps = {name: ours[0][name] - theirs[0][name] for name in ours[0]}
    parts += [(there[new] * gaps[of].reshape(there[new].shape)).sum() for new, of in back.gradient if of in gaps]
    size = sum(map(abs, parts)) + np.abs(own["y_t"]).sum() + np.abs(base["y_t"]).sum()
    assert sum(parts) == pytest.approx((own["y_t"] - base["y_t"]).sum(), rel=0, abs=1e-12 * max(size, 1))
