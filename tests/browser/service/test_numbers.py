"""Whatever is edited, every number on the page is the one that the library computes."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import lstm_trace as lt

from .bench_page import cell, number, settled
from .conftest import Opening
from .filling import kept

if TYPE_CHECKING:
    from playwright.sync_api import Page

MINIMAL = """
f_t = sigmoid(W_f @ x_t + U_f @ h_prev + b_f)
h_tilde = tanh(W_h @ x_t + U_h @ (f_t * h_prev))
h_t = f_t * h_tilde + (1 - f_t) * h_prev
carry: h_prev <- h_t
output: h_t
"""
#: Cells, the shapes of their weights (X: inputs, H: units), and their states.
LSTM = {f"W_{side}{gate}": ("H", side.upper()) for gate in "ifco" for side in "xh"}
CELLS: dict[str, tuple[Any, dict[str, tuple[str, ...]], str]] = {
    "lstm": ("lstm", LSTM | {f"b_{gate}": ("H",) for gate in "ifco"}, "hc"),
    "peephole": ({"kind": "lstm", "peephole": True}, LSTM | {f"w_c{gate}": ("H",) for gate in "ifo"}, "hc"),
    "coupled": (
        {"kind": "lstm", "coupled": True},
        {name: shape for name, shape in LSTM.items() if name[-1] != "f"},
        "hc",
    ),
    "gru": ("gru", {f"W_{side}{gate}": ("H", side.upper()) for gate in ("r", "u", "h") for side in "xh"}, "h"),
    "rnn": ("rnn", {"W_xh": ("H", "X"), "W_hh": ("H", "H"), "b_h": ("H",)}, "h"),
    "custom": (
        {"equations": MINIMAL},
        {"W_f": ("H", "X"), "U_f": ("H", "H"), "b_f": ("H",), "W_h": ("H", "X"), "U_h": ("H", "H")},
        "h",
    ),
}
SHOWN = 4  #: decimals of computed numbers in the table and the picture
GIVEN = re.compile(r"/(x_t|h0|c0)\[")  #: in addresses of numbers that stand as they were written


def drawn(kind: str, rng: np.random.Generator) -> dict[str, Any]:
    """A random problem of a cell."""
    cell_of, shapes, states = CELLS[kind]
    sizes = {"X": int(rng.integers(1, 4)), "H": int(rng.integers(1, 4))}
    steps = int(rng.integers(2, 4))

    def some(*shape: int) -> Any:
        return np.asarray(rng.normal(size=shape)).round(3).tolist()

    weights = {name: some(*(sizes[axis] for axis in shape)) for name, shape in shapes.items()}
    given = {f"{state}0": some(sizes["H"]) for state in states}
    return {"title": f"Random {kind}", "cell": cell_of, "weights": weights, "x": some(steps, sizes["X"]), **given}


def places(data: Mapping[str, Any]) -> list[tuple[str, list[Any], int]]:
    """Every number that can be edited: its address, the list that holds it, and its index there."""
    found = []
    for name, array in data["weights"].items():
        for j, row in enumerate(array):
            if isinstance(row, list):
                found += [(f"0/forward/{name}[{j},{k}]", row, k) for k in range(len(row))]
            else:
                found.append((f"0/forward/{name}[{j}]", array, j))
    for t, row in enumerate(data["x"]):
        found += [(f"{t}/0/x_t[{k}]", row, k) for k in range(len(row))]
    for state in ("h0", "c0"):
        found += [(f"0/forward/0/{state}[{j}]", data[state], j) for j in range(len(data.get(state, ())))]
    return found


def shows(text: str, value: float, decimals: int = SHOWN) -> bool:
    """Whether a text is a number to so many decimals; a small one keeps three digits, and 0 is exact."""
    if text == "0":
        return value == 0
    if "e" in text:
        return math.isclose(number(text), value, rel_tol=0.5e-2 + 1e-12)
    assert re.fullmatch(rf"−?\d+\.\d{{{decimals}}}", text), text
    return abs(number(text) - value) <= float(0.5 * 10**-decimals) * (1 + 1e-9)


def table(page: Page) -> dict[str, tuple[str, float]]:
    """Of every number of the table, what is shown and its value in full."""
    found = page.locator("#step-table .num").evaluate_all(
        "all => all.map((one) => [one.dataset.address, one.innerText, one.title])"
    )
    return {
        address: (text.strip(), number(title.splitlines()[0].rsplit(" = ", 1)[1])) for address, text, title in found
    }


def expected(data: Mapping[str, Any], t: int) -> dict[str, float]:
    """What stands in the table at a step, computed by the library."""
    trace = lt.run(dict(data))
    assert trace.x is not None
    found = {f"{t}/0/x_t[{k}]": float(value) for k, value in enumerate(trace.x[t, 0])}
    for name, array in trace.lines["0/forward"].items():
        found |= {f"0/forward/{t}/0/{name}[{j}]": float(value) for j, value in enumerate(array[t, 0])}
    for state in "hc" if t == 0 else "":
        found |= {f"0/forward/0/{state}0[{j}]": float(value) for j, value in enumerate(data.get(f"{state}0", ()))}
    for state in "hc" if t else "":
        line = f"{state}_t"
        if line in trace.lines["0/forward"]:
            found |= {f"0/forward/{t - 1}/0/{line}[{j}]": float(value) for j, value in enumerate(trace[line][t - 1, 0])}
    return found


@pytest.mark.parametrize("kind", CELLS)
def test_random_problem_and_edits(opened: Opening, empty: str, tmp_path: Path, kind: str) -> None:
    rng = np.random.default_rng(list(kind.encode()))
    data = drawn(kind, rng)
    path = tmp_path / "problem.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    item = kept(empty, path)
    page = opened(f"#bench?source=item:{item}&digits={SHOWN}", at=empty)
    lt.client(empty).remove(item)
    some = places(data)
    wanted = [some[int(k)] for k in rng.choice(len(some), 3, replace=False)]
    wanted.append(next(one for one in some if "h0" in one[0]))
    for address, row, k in wanted:
        row[k] = round(float(rng.normal(0, 2)), int(rng.integers(0, 5)))
        cell(page, address).press("Enter")
        page.keyboard.type(str(row[k]))
        page.keyboard.press("Enter")
        settled(page)
    for t in range(len(data["x"])):
        page.locator("#step").press("ArrowRight" if t else "Home")
        page.locator(f'#step-table [data-address="{t}/0/x_t[0]"]').wait_for()
        agreed(page, expected(data, t))
    for address, row, k in some:
        said = page.locator(f'td[role="gridcell"][data-address="{address}"]').get_attribute("aria-label") or ""
        assert (address, number(said.rsplit(": ", 1)[1])) == (address, row[k])
    in_full(page, data, rng)


def agreed(page: Page, values: Mapping[str, float]) -> None:
    found = table(page)
    assert {address: value for address, (_, value) in found.items()} == pytest.approx(values, rel=1e-12, abs=1e-14)
    wrong = {
        address: text
        for address, (text, value) in found.items()
        if not (number(text) == value if GIVEN.search(address) else shows(text, value))
    }
    assert wrong == {}
    spots = page.locator("g.tip[data-address]").evaluate_all(
        "all => all.map((one) => [one.dataset.address, one.querySelector('text').textContent])"
    )
    assert len(spots) >= 3  # of the smallest cell: a state, the input and the output
    for address, text in spots:
        line = address.rpartition("[")[0]
        for j, shown in enumerate(one for one in text.split(", ") if one not in ("…", "")):
            assert abs(number(shown) - values[f"{line}[{j}]"]) <= 0.5 * 10**-SHOWN * (1 + 1e-9), (address, text)


def in_full(page: Page, data: Mapping[str, Any], rng: np.random.Generator) -> None:
    """The number that is looked at, to its last digit, and its gradient."""
    t = len(data["x"]) - 1
    trace, values = lt.run(dict(data)), expected(data, t)
    target = f"{t}/h_t[0]"
    gradients = lt.gradients(trace, of=target)
    for address in [list(values)[int(k)] for k in rng.choice(len(values), 2, replace=False)]:
        page.locator(f'#step-table [data-address="{address}"]').press("Enter")
        page.locator(f'.value[data-address="{address}"]').wait_for()
        assert number(page.locator("#value").inner_text()) == pytest.approx(values[address], rel=1e-12, abs=1e-14)
    name = sorted(data["weights"])[0]
    first = f"0/forward/{name}[{'0,0' if isinstance(data['weights'][name][0], list) else '0'}]"
    cell(page, first).click()
    page.locator(f'.value[data-address="{first}"]').wait_for()
    slope = float(np.asarray(gradients[f"0/forward/{name}"]).flat[0])
    assert number(page.locator("#gradient").inner_text()) == pytest.approx(slope, rel=1e-9, abs=1e-15)
