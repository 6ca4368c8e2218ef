"""200 random `torch.nn.LSTM` modules agree with us over whole sequences, as exactly as PyTorch itself is right.

The measure: our error against a run in longdouble is at most 8 times PyTorch's own, plus 8 ulp of 1. The weights are
renamed here by hand, so that nothing of the package's readers takes part.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

import lstm_trace as lt

torch = pytest.importorskip("torch")

# PyTorch says so once, of the first float32 module with a projection
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")

CASES = 200
TORCH_GATES = "ifco"  # weight_ih_l0 is (W_ii|W_if|W_ig|W_io); its g is our c


class Case(NamedTuple):
    """One module with its input."""

    module: Any
    x: np.ndarray  # (T, B, I)
    h0: np.ndarray | None
    c0: np.ndarray | None
    lengths: list[int] | None
    batch_first: bool


def drawn(seed: int) -> Case:
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    dtype = [torch.float32, torch.float64][seed % 2]
    hidden, wide = int(rng.integers(2, 33)), int(rng.integers(1, 17))
    module = torch.nn.LSTM(
        wide,
        hidden,
        num_layers=int(rng.integers(1, 4)),
        bias=bool(rng.integers(2)),
        batch_first=bool(rng.integers(2)),
        bidirectional=bool(rng.integers(2)),
        proj_size=int(rng.integers(1, hidden)) if rng.integers(3) == 0 else 0,
        dtype=dtype,
    )
    with torch.no_grad():  # the default weights are small: gates would hardly leave 0.5
        for parameter in module.parameters():
            parameter.mul_(float(rng.uniform(1, 3)))
    steps, batch = int(rng.integers(3, 25)), int(rng.integers(1, 6))
    kind = np.dtype(str(dtype).removeprefix("torch."))
    x = rng.normal(size=(steps, batch, wide)).astype(kind)
    h0 = c0 = None
    if rng.integers(2):
        stack = module.num_layers * (1 + module.bidirectional)
        h0 = rng.normal(size=(stack, batch, module.proj_size or hidden)).astype(kind)
        c0 = rng.normal(size=(stack, batch, hidden)).astype(kind)
    lengths = rng.integers(1, steps + 1, size=batch).tolist() if rng.integers(2) else None
    return Case(module, x, h0, c0, lengths, module.batch_first)


def renamed(module: Any) -> dict[str, np.ndarray]:
    """The module's parameters by our names, by hand."""
    found = {}
    for name, parameter in module.named_parameters():
        role, kind, rest = name.split("_", 2)
        layer, _, back = rest.removeprefix("l").partition("_")
        scope = f"{layer}/{'reverse' if back else 'forward'}"
        array = parameter.detach().numpy()
        if kind == "hr":
            found[f"{scope}/W_hr"] = array
            continue
        side = {"ih": "x", "hh": "h"}[kind]
        for gate, block in zip(TORCH_GATES, np.split(array, 4), strict=True):
            found[f"{scope}/{'W' if role == 'weight' else 'b'}_{side}{gate}"] = block
    return found


def by_torch(case: Case) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """PyTorch's output (T, B, ·), h_n and c_n."""
    x = torch.from_numpy(case.x.swapaxes(0, 1).copy() if case.batch_first else case.x)
    states = None if case.h0 is None else (torch.from_numpy(case.h0), torch.from_numpy(case.c0))
    with torch.no_grad():
        if case.lengths is None:
            out, (h_n, c_n) = case.module(x, states)
        else:
            pack, unpack = torch.nn.utils.rnn.pack_padded_sequence, torch.nn.utils.rnn.pad_packed_sequence
            packed = pack(x, torch.tensor(case.lengths), batch_first=case.batch_first, enforce_sorted=False)
            out, (h_n, c_n) = case.module(packed, states)
            out, _ = unpack(out, batch_first=case.batch_first, total_length=len(case.x))
    out = out.numpy()
    return (out.swapaxes(0, 1) if case.batch_first else out), h_n.numpy(), c_n.numpy()


def exact(case: Case) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same in longdouble: a plain loop from PyTorch's documented equations."""
    wide = {n: p.detach().numpy().astype(np.longdouble) for n, p in case.module.named_parameters()}
    seen, k, h_n, c_n = case.x.astype(np.longdouble), 0, [], []
    steps, batch, _ = seen.shape
    lengths = np.array(case.lengths or [steps] * batch)
    hidden, projected = case.module.hidden_size, case.module.proj_size
    for layer in range(case.module.num_layers):
        halves = []
        for suffix in ("", "_reverse")[: 1 + case.module.bidirectional]:
            w = {n.removesuffix(f"_l{layer}{suffix}"): a for n, a in wide.items() if n.endswith(f"_l{layer}{suffix}")}
            h = np.zeros((batch, projected or hidden), np.longdouble) if case.h0 is None else case.h0[k]
            c = np.zeros((batch, hidden), np.longdouble) if case.c0 is None else case.c0[k]
            h, c = h.astype(np.longdouble), c.astype(np.longdouble)
            out = np.zeros((steps, batch, h.shape[1]), np.longdouble)
            for t in reversed(range(steps)) if suffix else range(steps):
                z = seen[t] @ w["weight_ih"].T + h @ w["weight_hh"].T
                if case.module.bias:
                    z = z + w["bias_ih"] + w["bias_hh"]
                i, f, g, o = np.split(z, 4, axis=1)
                new_c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
                new_h = np.tanh(new_c) / (1 + np.exp(-o))
                if projected:
                    new_h = new_h @ w["weight_hr"].T
                valid = (t < lengths)[:, None]
                h, c = np.where(valid, new_h, h), np.where(valid, new_c, c)
                out[t] = np.where(valid, new_h, 0)
            halves.append(out)
            h_n.append(h)
            c_n.append(c)
            k += 1
        seen = np.concatenate(halves, axis=2)
    return seen, np.stack(h_n), np.stack(c_n)


@pytest.mark.parametrize("seed", range(CASES))
def test_random_modules_agree_over_the_sequence(seed: int) -> None:
    case = drawn(seed)
    options = {"projection": case.module.proj_size > 0}
    x = case.x.swapaxes(0, 1) if case.batch_first else case.x
    trace = lt.run(
        renamed(case.module), x, h0=case.h0, c0=case.c0, lengths=case.lengths, batch_first=case.batch_first,
        options=options,
    )  # fmt: skip
    output = trace.output.swapaxes(0, 1) if case.batch_first else trace.output
    assert output.dtype == case.x.dtype
    ulp = np.finfo(case.x.dtype).eps
    rows = zip((output, trace.h_n, trace.c_n), by_torch(case), exact(case), strict=True)
    for what, (ours, theirs, true) in zip(("output", "h_n", "c_n"), rows, strict=True):
        assert ours.shape == theirs.shape
        error, own = np.abs(ours - true).max(), np.abs(theirs - true).max()
        assert error <= 8 * own + 8 * ulp, f"{what}: off by {error:.3g}, PyTorch by {own:.3g}"


def test_the_measure_can_fail() -> None:
    """Another gate order, and a rounding to the next smaller format, both break the bound."""
    case = drawn(1)
    weights = renamed(case.module)
    swapped = {n[:-1] + {"i": "f", "f": "i"}.get(n[-1], n[-1]): a for n, a in weights.items()}
    rounded = {n: a.astype(np.float32).astype(np.float64) for n, a in weights.items()}
    true, own = exact(case)[0], np.abs(by_torch(case)[0] - exact(case)[0]).max()
    x = case.x.swapaxes(0, 1) if case.batch_first else case.x
    for wrong in (swapped, rounded):
        output = lt.run(
            wrong, x, h0=case.h0, c0=case.c0, lengths=case.lengths, batch_first=case.batch_first,
            options={"projection": case.module.proj_size > 0},
        ).output  # fmt: skip
        output = output.swapaxes(0, 1) if case.batch_first else output
        assert np.abs(output - true).max() > 8 * own + 8 * np.finfo(np.float64).eps
