"""Gradients against PyTorch autograd, integrated gradients and gradient x input against captum."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.explanation.account import account
from lstm_trace.explanation.contribution import gradient_times_input, integrated_gradients

torch = pytest.importorskip("torch")

NAMES = (("weight_ih", "W_x"), ("weight_hh", "W_h"), ("bias_ih", "b_x"), ("bias_hh", "b_h"))


def by_gate(arrays: dict[str, np.ndarray], scope: str, ours: str) -> np.ndarray:
    """Our arrays of the gates in PyTorch's order: i, f, candidate, o."""
    return np.concatenate([arrays[f"{scope}/{ours}{gate}"] for gate in "ifco"])


def network(
    seed: int, layers: int, both: bool, wide: int, units: int, projected: int
) -> tuple[Any, dict[str, np.ndarray]]:
    """A random `torch.nn.LSTM` in float64 and its weights by our addresses."""
    torch.manual_seed(seed)
    model = torch.nn.LSTM(wide, units, layers, bidirectional=both, proj_size=projected, dtype=torch.float64)
    weights = {}
    with torch.no_grad():
        for value in model.parameters():
            value.copy_(torch.randn(value.shape, dtype=torch.float64) * 0.6)
    for scope, ending in scopes(layers, both):
        for theirs, ours in NAMES:
            parts = getattr(model, f"{theirs}_{ending}").detach().numpy().reshape(4, units, -1)
            for gate, part in zip("ifco", parts, strict=True):
                weights[f"{scope}/{ours}{gate}"] = part if theirs.startswith("weight") else part[:, 0]
        if projected:
            weights[f"{scope}/W_hr"] = getattr(model, f"weight_hr_{ending}").detach().numpy()
    return model, weights


def scopes(layers: int, both: bool) -> list[tuple[str, str]]:
    ways = [("forward", ""), ("reverse", "_reverse")][: 1 + both]
    return [(f"{layer}/{way}", f"l{layer}{end}") for layer in range(layers) for way, end in ways]


@pytest.mark.parametrize(
    ("layers", "both", "projected", "batch"), [(1, False, 0, 1), (2, True, 0, 3), (3, True, 3, 2), (2, False, 2, 4)]
)
def test_gradients_equal_autograd(layers: int, both: bool, projected: int, batch: int) -> None:
    wide, units, steps = 3, 5, 11
    model, weights = network(layers + batch, layers, both, wide, units, projected)
    rng = np.random.default_rng(batch)
    count = layers * (1 + both)
    x = rng.normal(size=(steps, batch, wide))
    h0, c0 = rng.normal(size=(count, batch, projected or units)), rng.normal(size=(count, batch, units))
    trace = lt.run(weights, x, h0=h0, c0=c0, cell={"kind": "lstm", "projection": bool(projected)})
    leaves = [torch.tensor(v, requires_grad=True) for v in (x, h0, c0)]
    results = model(leaves[0], (leaves[1], leaves[2]))
    theirs = (results[0], *results[1])
    ours = (trace.output, trace.h_n, trace.c_n)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b.detach().numpy(), rtol=1e-12, atol=1e-14)
    seeds = [rng.normal(size=v.shape) for v in ours]
    sum((b * torch.tensor(seed)).sum() for b, seed in zip(theirs, seeds, strict=True)).backward()
    found = lt.gradients(trace, output=seeds[0], h_n=seeds[1], c_n=seeds[2])

    def same(mine: np.ndarray, other: Any, name: str) -> None:
        largest = np.abs(other.grad.numpy()).max()
        np.testing.assert_allclose(mine, other.grad.numpy(), rtol=1e-11, atol=1e-13 * largest, err_msg=name)

    for name, leaf in zip(("x", "h0", "c0"), leaves, strict=True):
        assert found[name].shape == tuple(leaf.shape)
        same(found[name], leaf, name)
    for scope, ending in scopes(layers, both):
        for their_name, our_name in NAMES:
            same(by_gate(found, scope, our_name), getattr(model, f"{their_name}_{ending}"), f"{scope}/{our_name}")
        if projected:
            same(found[f"{scope}/W_hr"], getattr(model, f"weight_hr_{ending}"), f"{scope}/W_hr")


def test_shuffled_gates_fail() -> None:
    """The comparison can fail: forget and input gate exchanged."""
    model, weights = network(1, 1, False, 3, 5, 0)
    swapped = {k[:-1] + {"i": "f", "f": "i"}.get(k[-1], k[-1]): v for k, v in weights.items()}
    x = np.random.default_rng(0).normal(size=(6, 1, 3))
    output = model(torch.tensor(x))[0].detach().numpy()
    assert np.abs(lt.run(swapped, x).output - output).max() > 1e-3


@pytest.mark.parametrize("batch_first", [False, True])
def test_padded_rows(batch_first: bool) -> None:
    """Rows of unequal length against a packed sequence."""
    model, weights = network(7, 2, True, 3, 4, 0)
    lengths = [7, 5, 2]
    x = np.random.default_rng(1).normal(size=(7, 3, 3))
    seed = np.random.default_rng(2).normal(size=(7, 3, 8))
    leaf = torch.tensor(x, requires_grad=True)
    packed = torch.nn.utils.rnn.pack_padded_sequence(leaf, torch.tensor(lengths))
    output, _ = torch.nn.utils.rnn.pad_packed_sequence(model(packed)[0])
    (output * torch.tensor(seed)).sum().backward()

    def turned(values: np.ndarray) -> np.ndarray:
        return np.swapaxes(values, 0, 1) if batch_first else values

    trace = lt.run(weights, turned(x), lengths=lengths, batch_first=batch_first)
    np.testing.assert_allclose(turned(trace.output), output.detach().numpy(), rtol=1e-12, atol=1e-14)
    found = lt.gradients(trace, output=turned(seed))
    np.testing.assert_allclose(turned(found["x"]), leaf.grad.numpy(), rtol=1e-10, atol=1e-14)
    for scope, ending in scopes(2, True):
        expected = getattr(model, f"weight_hh_{ending}").grad.numpy()
        np.testing.assert_allclose(by_gate(found, scope, "W_h"), expected, rtol=1e-10, atol=1e-13)


def test_captum() -> None:
    """Zero baseline: the same points of the same path, so the same numbers."""
    attr = pytest.importorskip("captum.attr")
    model, weights = network(3, 2, True, 3, 4, 0)
    x = np.random.default_rng(5).normal(size=(6, 1, 3))
    trace = lt.run(weights, x)

    def value(rows: Any) -> Any:
        return model(rows.transpose(0, 1))[0][4, :, 2]

    rows = torch.tensor(x).transpose(0, 1).requires_grad_()
    of = "1/joined/4/0/y_t[2]"
    theirs = attr.InputXGradient(value).attribute(rows).detach().numpy()
    np.testing.assert_allclose(gradient_times_input(trace, of).parts["x"][:, 0], theirs[0], rtol=1e-11, atol=1e-15)
    for points in (50, 7):  # captum keeps the points of the path in float32
        theirs = attr.IntegratedGradients(value).attribute(rows, n_steps=points, method="gausslegendre")
        ours = integrated_gradients(trace, of, points=points)
        np.testing.assert_allclose(ours.parts["x"][:, 0], theirs[0].detach().numpy(), rtol=1e-7, atol=1e-12)
    assert abs(integrated_gradients(trace, of, points=50).gap) < 1e-10


@pytest.mark.parametrize("of", ["1/joined/4/0/y_t[2]", "1/joined/4/0/y_t[2] - 1/joined/4/0/y_t[5]"])
def test_captum_takes_steps_away(of: str) -> None:
    """Feature ablation with a feature for each step, and occlusion by a window of one step."""
    attr = pytest.importorskip("captum.attr")
    model, weights = network(4, 2, True, 3, 4, 0)
    draw = np.random.default_rng(6)
    x, base = draw.normal(size=(6, 1, 3)), draw.normal(size=(6, 1, 3))
    trace, baseline = lt.run(weights, x), lt.run(weights, base)

    def value(rows: Any) -> Any:
        y = model(rows.transpose(0, 1))[0][4]
        return y[:, 2] - y[:, 5] if "-" in of else y[:, 2]

    rows, theirs = (torch.tensor(values).transpose(0, 1) for values in (x, base))
    steps = torch.arange(6)[None, :, None].expand(1, 6, 3)
    ablated = attr.FeatureAblation(value).attribute(rows, baselines=theirs, feature_mask=steps)[0, :, 0]
    occluded = attr.Occlusion(value).attribute(rows, (1, 3), baselines=theirs)[0, :, 0]
    ours = [step.occlusion for step in account(trace, of, baseline).steps]
    np.testing.assert_allclose(ours, ablated.detach().numpy(), rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(ours, occluded.detach().numpy(), rtol=1e-6)  # captum gives these in float32
