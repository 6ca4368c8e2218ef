"""Totals over time among the added equations: `S_t = S_prev + L_t`, against PyTorch's step by step."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import CellError

H, I, O, T = 3, 2, 2, 4  # noqa: E741
LOSS = "input: target_t\np_t = W_hp @ {}\nL_t = sum((p_t - target_t) * (p_t - target_t))\nS_t = S_prev + L_t\n"


def weights(rng: np.random.Generator, scope: str, inputs: int) -> dict[str, Any]:
    sizes = {"W_x": (H, inputs), "W_h": (H, H), "b_": (H,)}
    return {f"{scope}/{name}{g}": rng.normal(size=size) / 2 for g in "ifco" for name, size in sizes.items()}


def problem(layers: int, directions: tuple[str, ...], lengths: list[int] | None, padding: str) -> dict[str, Any]:
    rng = np.random.default_rng(5)
    batch, wide = len(lengths or [T]), H * len(directions)
    found: dict[str, Any] = {}
    for layer in range(layers):
        for direction in directions:
            found |= weights(rng, f"{layer}/{direction}", wide if layer else I)
    top = f"{layers - 1}/{'joined' if len(directions) > 1 else directions[0]}"
    found[f"{top}/W_hp"] = rng.normal(size=(O, wide))
    given = {f"{top}/target_t": rng.normal(size=(T, batch, O))}
    extra = LOSS.format("y_t" if len(directions) > 1 else "h_t")
    made = {"weights": found, "x": rng.normal(size=(T, batch, I)), "given": given, "extra": extra}
    return made | ({"lengths": lengths, "cell": {"kind": "lstm", "padding": padding}} if lengths else {})


def torch_losses(torch: Any, made: dict[str, Any], w: Any, directions: tuple[str, ...], b: int, stop: int) -> list[Any]:
    """The loss of each step, from an LSTM that is written out."""
    layers = max(int(name[0]) for name in w) + 1
    (at, targets), sigmoid = next(iter(made["given"].items())), torch.sigmoid
    steps = [torch.tensor(made["x"][t, b]) for t in range(stop)]
    for layer in range(layers):
        outputs = []
        for direction in directions:
            h = c = torch.zeros(H, dtype=torch.float64)
            found = []
            for x in steps if direction == "forward" else steps[::-1]:
                scope = f"{layer}/{direction}"
                z = {g: w[f"{scope}/W_x{g}"] @ x + w[f"{scope}/W_h{g}"] @ h + w[f"{scope}/b_{g}"] for g in "ifco"}
                c = sigmoid(z["f"]) * c + sigmoid(z["i"]) * torch.tanh(z["c"])
                h = sigmoid(z["o"]) * torch.tanh(c)
                found.append(h)
            outputs.append(found if direction == "forward" else found[::-1])
        steps = [torch.cat(both) for both in zip(*outputs, strict=True)]
    read = w[at.replace("target_t", "W_hp")]
    return [((read @ h - torch.tensor(targets[t, b])) ** 2).sum() for t, h in enumerate(steps)]


@pytest.mark.few(5)
@pytest.mark.parametrize("plan", ["lines", "planned", "compiled"])
@pytest.mark.parametrize("directions", [("forward",), ("reverse",), ("forward", "reverse")])
@pytest.mark.parametrize(
    ("layers", "lengths", "padding"),
    [(1, None, ""), (2, None, ""), (1, [4, 2], "zero"), (2, [2, 4, 3], "repeat"), (1, [3, 4], "carry")],
)
def test_a_total_is_the_sum_of_the_losses(
    layers: int, lengths: list[int] | None, padding: str, directions: tuple[str, ...], plan: Any, tmp_path: Path
) -> None:
    torch = pytest.importorskip("torch")
    made = problem(layers, directions, lengths, padding)
    trace = lt.prepare(made).run(plan=plan)
    w = {name: torch.tensor(array, requires_grad=True) for name, array in made["weights"].items()}
    backwards = directions == ("reverse",)
    for b, stop in enumerate(lengths or [T]):
        losses = torch_losses(torch, made, w, directions, b, stop)
        numbers = [loss.item() for loss in losses]
        sums = np.cumsum(numbers[::-1])[::-1] if backwards else np.cumsum(numbers)
        np.testing.assert_allclose(trace["S_t"][:stop, b, 0], sums, rtol=1e-12)
    sum(losses).backward()  # of the last sequence
    of = f"{0 if backwards else stop - 1}/{b}/S_t"
    found = lt.gradients(trace, of=of)
    for name, gradient in w.items():
        ours = found[name] if name in found else found[name.rpartition("/")[2]]
        np.testing.assert_allclose(ours, gradient.grad.numpy(), rtol=1e-9, atol=1e-12, err_msg=name)
    assert not lt.verify(lt.backward(trace, of=of)).failures
    again = lt.problem(trace)
    assert lt.run(again, plan=plan).equals(trace)
    assert again["extra"].endswith("S_t = S_prev + L_t\ncarry: S_prev <- S_t\n")
    for suffix in ("json", "safetensors"):
        trace.save(tmp_path / f"t.{suffix}")
        assert lt.load(tmp_path / f"t.{suffix}").equals(trace)


@pytest.mark.parametrize("plan", ["lines", "planned", "compiled"])
def test_a_total_is_continued_and_may_begin_elsewhere(plan: Any) -> None:
    rng = np.random.default_rng(6)
    made = {**weights(rng, "0/forward", I), "0/forward/W_hp": rng.normal(size=(O, H))}
    model = lt.prepare({"weights": made, "extra": "L_t = sum(W_hp @ h_t)\nS_t = S_prev + L_t"})
    x = rng.normal(size=(6, I))
    whole, first = model.run(x, plan=plan), model.run(x[:4], plan=plan)
    last = model.run(x[4:], state_from=first, plan=plan)
    assert lt.concat([first, last]).equals(whole)
    assert np.array_equal(lt.run(lt.problem(last), plan=plan)["S_t"], last["S_t"])
    later = model.run(x, initial={"S_prev": [2.5]}, plan=plan)
    np.testing.assert_allclose(later["S_t"], whole["S_t"] + 2.5)
    assert lt.problem(later)["initial"] == {"S_prev": [2.5]}


def test_a_declared_total_of_another_name_and_one_that_is_not_carried() -> None:
    made: dict[str, Any] = {"weights": {"W_xh": [[1.0]], "W_hh": [[0.5]]}, "cell": "rnn", "x": [[1.0], [2.0]]}
    extra = "n_t = 1 + count  # steps\ncarry: count <- n_t  # from zero\nm_t = m_prev + relu(h_t - m_prev)"
    trace = lt.run({**made, "extra": extra})
    assert trace["n_t"].ravel().tolist() == [1.0, 2.0]
    assert np.array_equal(trace["m_t"], np.maximum.accumulate(trace["h_t"]))
    assert list(trace.stages[0].cell.states) == ["h_prev", "count", "m_prev"]
    with pytest.raises(CellError, match="S_prev is read but the carry is open: declare `carry: S_prev <- …`"):
        lt.run({**made, "extra": "Q_t = S_prev + h_t"})
    with pytest.raises(CellError, match="equation 2: h_prev is carried twice"):
        lt.run({**made, "extra": "Q_t = Q_prev + h_t\ncarry: h_prev <- Q_t"})


def test_what_the_added_equations_end_in_is_wanted() -> None:
    made = problem(1, ("forward",), None, "")
    text = lt.run(made).report("text", detail="vector")
    assert "Wanted: h_t and S_t." in text
    assert "S_t:\n" in text.partition("Answers\n")[2]
    made["extra"] = made["extra"].replace("S_t = S_prev + L_t", "q_t = exp(p_t) / sum(exp(p_t))")
    assert lt.run(made).header.ask == ("h_t", "L_t", "q_t")
    assert lt.run({**made, "ask": ["L_t"]}).header.ask == ("L_t",)
    assert lt.run({**made, "names": {"y": ["no", "yes"]}})["q_t"].shape == (T, 1, O)


def test_a_readout_of_what_a_total_sums_has_labels() -> None:
    made = problem(1, ("forward",), None, "") | {"names": {"y": ["no", "yes"]}}
    assert "yes" in lt.run(made).report("text")


def numpy_loss(w: dict[str, Any], x: Any, valid: Any) -> Any:
    """The sum of h² over the valid steps of each sequence of a plain RNN, written out."""
    found = []
    for b in range(x.shape[1]):
        h, found_here = np.zeros(len(w["W_hh"])), 0.0
        for t in np.flatnonzero(valid[:, b]):
            h = np.tanh(w["W_xh"] @ x[t, b] + w["W_hh"] @ h)
            found_here += h @ h
        found.append(found_here)
    return np.array(found)


@pytest.mark.parametrize("plan", ["lines", "planned", "compiled"])
@pytest.mark.parametrize("padding", ["zero", "repeat", "carry"])
@pytest.mark.parametrize("padded", [{"lengths": [2, 4]}, {"mask": [[0, 1], [1, 1], [1, 0], [0, 1]]}])
@pytest.mark.parametrize("total", ["S_t = S_prev + L_t", "S_t = total + L_t\ncarry: total <- S_t"])
def test_a_total_keeps_its_value_at_padding(
    total: str, padded: dict[str, Any], padding: str, plan: Any, tmp_path: Path
) -> None:
    rng = np.random.default_rng(8)
    w, x = {"W_xh": rng.normal(size=(2, 2)), "W_hh": rng.normal(size=(2, 2)) / 2}, rng.normal(size=(4, 2, 2))
    valid = np.array(padded.get("mask") or [[t < n for n in padded["lengths"]] for t in range(4)])
    extra = f"L_t = sum(h_t * h_t)\n{total}"
    made = {"cell": {"kind": "rnn", "padding": padding}, "weights": w, "x": x, "extra": extra, **padded}
    trace = lt.prepare(made).run(plan=plan)
    np.testing.assert_allclose(trace["S_t"][-1, :, 0], numpy_loss(w, x, valid), rtol=1e-12)
    at_padding = valid[1:] == 0
    assert np.array_equal(trace["S_t"][1:][at_padding], trace["S_t"][:-1][at_padding])
    for b in range(2):
        back = lt.backward(trace, of=f"3/{b}/S_t")
        assert not lt.verify(back).failures
        found = lt.gradients(trace, of=f"3/{b}/S_t")
        for name, small in ((name, h) for name in w for h in np.eye(4).reshape(4, 2, 2) * 1e-6):
            more, less = ({**w, name: w[name] + sign * small} for sign in (1, -1))
            slope = (numpy_loss(more, x, valid) - numpy_loss(less, x, valid))[b] / 2e-6
            assert found[f"0/forward/{name}"][small > 0] == pytest.approx(slope, rel=1e-6, abs=1e-8)
    again = lt.problem(trace)
    assert "where" not in again["extra"]
    assert lt.run(again, plan=plan).equals(trace)
    for suffix in ("json", "safetensors"):
        for one in (trace, back):
            one.save(tmp_path / f"t.{suffix}")
            assert lt.load(tmp_path / f"t.{suffix}").equals(one)
    lt.prepare(made).run(plan=plan, out=tmp_path / "o.safetensors")
    assert lt.load(tmp_path / "o.safetensors").equals(trace)
    if padding != "repeat":  # it carries the output too, which a whole sequence has no need of
        state = "S_prev" if "S_prev" in total else "total"
        continued = lt.prepare(made).run(plan=plan, state_from=tmp_path / "o.safetensors")
        assert np.array_equal(continued.initial["0/forward"][state], trace["S_t"][-1])


def test_other_states_of_the_added_equations_at_padding(tmp_path: Path) -> None:
    made: dict[str, Any] = {"weights": {"W_xh": [[1.0]], "W_hh": [[0.0]]}, "cell": "rnn", "lengths": [2]}
    extra = "q_t = x_t / 2\ng_t = where(valid, x_t, g_prev)\ncarry: a <- q_t, b <- q_t, before <- x_t"
    trace = lt.run({**made, "x": [[1.0], [2.0], [8.0]], "extra": extra})
    assert [trace[name].ravel().tolist() for name in ("q_t", "g_t")] == [[0.5, 1.0, 1.0], [1.0, 2.0, 2.0]]
    trace.save(tmp_path / "t.json")
    assert lt.run(lt.problem(lt.load(tmp_path / "t.json"))).equals(trace)
