"""What identify may say of values with few digits, of few values, and of those that are not finite."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.cell.network import forward_stages
from lstm_trace.errors import FileError, OptionError

from .test_identify import drawn, every, keys, outputs, two_by_two

ROUNDED = {
    "0.1": lambda h: np.round(h, 1),
    "0.0001": lambda h: np.round(h, 4),
    "0.001": lambda h: np.round(h.astype(np.float32), 3),
    "0.00001": lambda h: np.round(h[-1, 0], 5)[None],
    "float16": lambda h: h.astype(np.float16),
    "float16 in float32": lambda h: h.astype(np.float16).astype(np.float32),
    "bfloat16": lambda h: (h.astype(np.float32).view(np.uint32) + 0x8000 & 0xFFFF0000).view(np.float32),
}


@pytest.mark.parametrize("to", ROUNDED)
def test_a_right_output_that_was_rounded_when_it_was_saved_is_right(to: str, tmp_path: Path) -> None:
    weights = drawn()
    x, y = outputs(weights, {})
    saved = ROUNDED[to](y)
    if saved.ndim == 2:
        x = x[:, :1]
    np.save(tmp_path / "h.npy", saved)
    for given in (saved, tmp_path / "h.npy"):
        found = lt.identify(weights, x, given)
        assert found.right
        assert [(one.key, one.fields["to"]) for one in found.remarks] == [("diff.given.saved", to.split()[0])]
    trace = lt.run(weights, x)
    assert lt.diff(trace, tmp_path / "h.npy").same
    wrong = lt.run(weights | {"b_o": 0 * weights["b_o"]}, x)
    assert not lt.identify(weights, x, ROUNDED[to](wrong.output)).right
    off = lt.diff(trace, ROUNDED[to](wrong.output))
    assert not off.same
    assert off.sides[1].header.dtype == ("float32" if to in ("0.001", "float16 in float32", "bfloat16") else "float64")


def test_values_with_all_their_digits_are_not_taken_as_rounded() -> None:
    """Also those that are short by nature, as ours are: multiples of 1/4."""
    weights = drawn()
    x, y = outputs(weights, {})
    for given in (y, y.astype(np.float32), y + 1e-9):
        assert not lt.identify(weights, x, given).remarks
    ones = {"W_xh": [[0.5], [0.25]], "W_hh": [[0.0, 0.0], [0.0, 0.0]]}
    cell = {"equations": "h_t = relu(W_xh @ x_t) + 0 * (W_hh @ h_prev)\ncarry: h_prev <- h_t"}
    given = lt.run(ones, [[1.0], [2.0], [3.0], [5.0]], cell=cell).output
    assert not lt.identify(ones, [[1.0], [2.0], [3.0], [5.0]], given, cell=cell).remarks
    assert not lt.identify(ones, [[1.0], [2.0], [3.0], [5.0]], given + 2**-12, cell=cell).right


def test_a_state_that_is_kept_with_few_decimals_is_named() -> None:
    weights = drawn()
    x, _ = outputs(weights, {})
    h, c, rows = np.zeros((2, 5)), np.zeros((2, 5)), []
    for x_t in x:
        i, f, g, o = (x_t @ weights[f"W_x{k}"].T + h @ weights[f"W_h{k}"].T + weights[f"b_{k}"] for k in "ifco")
        i, f, o = (1 / (1 + np.exp(-z)) for z in (i, f, o))
        c = np.round(f * c + i * np.tanh(g), 4)
        h = np.round(o * np.tanh(c), 4)
        rows.append(h)
    assert keys(lt.identify(weights, x, np.array(rows))) == ["numbers:4-decimals-of-states"]


@pytest.mark.parametrize("digits", [5, 6, 7, 8, 9])
def test_a_float32_port_that_prints_digits_is_right(digits: int, tmp_path: Path) -> None:
    weights = {name: values.astype(np.float32) for name, values in drawn().items()}
    x = np.random.default_rng(1).normal(size=(40, 2, 3)).astype(np.float32)
    text = "\n".join(
        f"t={t} b={b} h_t: " + " ".join(f"{v:.{digits}f}" for v in row)
        for t, step in enumerate(lt.run(weights, x).output)
        for b, row in enumerate(step)
    )
    path = tmp_path / "printed.txt"
    path.write_text(text)
    assert lt.identify(weights, x, path).right


# -- by chance ---------------------------------------------------------------------------------------------------------


@pytest.mark.few(1)
@pytest.mark.parametrize("seed", [0, 2, 3, 4, 1, 5, 6, 7])  # the fast tests take the middle one, which needs no pairs
def test_few_values_of_few_digits_get_no_name(seed: int) -> None:
    """A port whose W_xi is another: no mistake of the table, though some fit."""
    weights = drawn(seed, 3)
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(3, 1, 3))
    wrong = {**weights, "W_xi": weights["W_xi"] + rng.normal(size=(3, 3))}
    found = lt.identify(weights, x, np.round(lt.run(wrong, x).output[-1], 1 + seed % 2))
    assert not found.found
    if not found.right and found.nearest and found.nearest[0].fit.share == 1:
        assert "the values do not tell which mistake it is: of " in str(found)
        assert json.loads(found.as_json())["verdict"] == "unexplained"


def test_a_probable_single_mistake_is_named_at_few_digits() -> None:
    weights = drawn()
    x, y = outputs({**weights, "b_o": 0 * weights["b_o"]}, {})
    for digits in (2, 3, 4):
        assert keys(lt.identify(weights, x, np.round(y, digits))) == ["bias-lost:z_o"]


@pytest.mark.few(0)
def test_nearest_has_no_pair_of_which_one_does_nothing() -> None:
    weights = drawn()
    x, y = outputs({**weights, "b_o": 0 * weights["b_o"]}, {})
    y = y.copy()
    y[-1, 1, 2] += 1
    found = lt.identify(weights, x, y)
    assert [str(one) for one in found.nearest[0].mistakes] == ["bias-lost:z_o"]
    fits = [(one.fit.share, f"{one.fit.mean:.6g}") for one in found.nearest]
    assert len({*fits}) == len(fits)
    assert all(one.fit.share >= found.as_read.share + 0.25 * (1 - found.as_read.share) for one in found.nearest)


# -- not finite --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", [np.nan, np.inf, -np.inf])
def test_a_port_that_is_not_finite_is_not_right(what: float) -> None:
    weights = drawn()
    x, y = outputs(weights, {})
    y = y.copy()
    y[2:] = what
    found = lt.identify(weights, x, y)
    assert (found.right, found.found, found.compared, found.lost) == (False, (), 20, 40)
    assert "the 20 finite values are the model's (off by 0), but the port is not right" in str(found)
    assert "first 0/forward/2/0/h_t[0]" in " ".join(str(found).split())
    lengths = lt.identify(weights, x, y, lengths=[2, 2])  # what is behind the end of a sequence
    assert (lengths.right, lengths.compared, lengths.lost) == (True, 20, 0)


def test_cells_that_are_empty_are_not_given(tmp_path: Path) -> None:
    weights = drawn()
    x, y = outputs(weights, {})
    rows = [f"{t},0,{y[t, 0, 0]!r},,nan" if t == 1 else f"{t},0,{y[t, 0, 0]!r},{y[t, 0, 1]!r}," for t in range(3)]
    text = "t,batch,h_t[0],h_t[1],h_t[2]\n" + "\n".join(rows).replace("np.float64(", "").replace(")", "")
    (tmp_path / "y.csv").write_text(text.replace(",nan", ","))
    found = lt.identify(weights, x, tmp_path / "y.csv")
    assert (found.right, found.compared, found.lost) == (True, 5, 0)
    (tmp_path / "y.csv").write_text(text)
    assert lt.identify(weights, x, tmp_path / "y.csv").lost == 1


def test_an_input_that_is_not_finite_is_refused() -> None:
    weights = drawn()
    x, y = outputs(weights, {})
    x = x.copy()
    x[2, 1, 0] = np.inf
    said = r"x has 1 value that should be finite, first inf at t=2, sequence 1, feature 0 \(from 0\)"
    with pytest.raises(OptionError, match=said):
        lt.identify(weights, x, y)


def test_a_key_is_one_line_of_a_message() -> None:
    weights = drawn()
    x, y = outputs(weights, {})
    with pytest.raises(FileError) as caught:
        lt.identify(weights, x, {"a\nerror: \x1b[31m": y})
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


# -- traces with mistakes ----------------------------------------------------------------------------------------------

SEEDED = {
    "lstm": ["term-at-first-step-only:z_*,b_*", "output:output,-a", "clip-of-cell:c_t,0.5", "time:as-computed"],
    "gru": ["order:r,u", "hidden-scaled:0.5"],
}


@pytest.mark.few(3)
@pytest.mark.parametrize(("kind", "key"), [(kind, key) for kind, each in SEEDED.items() for key in each])
@pytest.mark.parametrize("batch_first", [False, True])
def test_a_trace_with_lines_that_the_model_does_not_have(
    kind: str, key: str, batch_first: bool, tmp_path: Path
) -> None:
    """What it has in common with ours is compared: the named lines, and what is passed on under our name."""
    if kind == "gru":
        rng = np.random.default_rng(3)
        weights: dict[str, Any] = {f"W_{s}{g}": rng.normal(size=(3, 3)) for s in "xh" for g in "urh"}
    else:
        weights = two_by_two() if key.startswith("time") else drawn()
    x = np.random.default_rng(2).normal(size=(3, 3, 3))
    options: dict[str, Any] = {"cell": kind, "batch_first": batch_first}
    try:
        port = lt.run(weights, x, mistake=key, **options)
    except OptionError:
        pytest.skip("no trace has this mistake")
    assert len(forward_stages(port.stages)) == (4 if key.startswith("time") else 1)
    port.save(tmp_path / "t.json")
    for given in (port, tmp_path / "t.json"):
        found = lt.identify(weights, x, given, **options)
        full = key.replace("c_t,0.5", "c_t,f_t*c_prev+i_t*c_tilde,0.5")
        assert full in every(found)


def test_a_short_key_is_the_only_one_that_it_may_be() -> None:
    weights = drawn()
    x, _ = outputs(weights, {})
    full = lt.run(weights, x, mistake="clip-of-cell:c_t,f_t*c_prev+i_t*c_tilde,0.5").output
    for key in ("clip-of-cell:c_t,0.5", "clip-of-cell:0.5"):
        assert np.array_equal(lt.run(weights, x, mistake=key).output, full)
    with pytest.raises(OptionError, match=r"it may be transposed:z_\S+, .*: write one of these"):
        lt.run(weights, x, mistake="transposed:x_t")


def test_the_reverse_direction_is_named() -> None:
    own = drawn()
    weights = {
        f"0/{way}/{name}": (1 + k) * v for k, way in enumerate(("forward", "reverse")) for name, v in own.items()
    }
    x, _ = outputs(own, {})
    y = lt.run(weights, x).output.copy()
    y[:, :, 5:] = y[::-1, :, 5:]
    found = lt.identify(weights, x, y)
    assert keys(found) == ["time:as-computed"]
    assert "in the reverse direction the port leaves its outputs in the order of computing" in " ".join(
        str(found).split()
    )


@pytest.mark.few(1)
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_values_that_are_all_the_same_name_nothing(value: float) -> None:
    """A buffer that was never written: many mistakes, and most pairs of two, give one number everywhere."""
    weights = drawn()
    x, y = outputs(weights, {})
    found = lt.identify(weights, x, np.full_like(y, value))
    assert not found.right
    assert found.found == ()


def test_exchanged_directions_have_that_name_and_no_line_that_was_given_tells_more() -> None:
    """Units in reverse order, in each direction and where they are joined, are the same thing."""
    source = two_by_two()
    x = np.random.default_rng(3).normal(size=(5, 2, source["0/forward/W_xi"].shape[1]))
    y = lt.run(source, x).output
    half = y.shape[-1] // 2
    wrong = np.concatenate([y[..., half:], y[..., :half]], axis=-1)
    for values in (wrong, {"1/joined/y_t": wrong}):
        found = lt.identify(source, x, values)
        assert keys(found) == ["1/directions-joined:y_t,concat(b,a)"]
        assert found.found[0].separates is None
