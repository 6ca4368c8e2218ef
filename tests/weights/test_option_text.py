"""Layouts and options as texts: every part can be said, and every fault is named with what to write instead."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.cell.named_cells import KINDS
from lstm_trace.errors import OptionError
from lstm_trace.trace.files.schema import LayoutSpec
from lstm_trace.weights.layouts import LAYOUTS, layout
from lstm_trace.weights.option_text import options_of_text

LAYOUT_TEXTS: list[tuple[str, Any]] = [
    ("keras", "keras"),
    (" keras ", "keras"),
    ("name=keras", "keras"),
    ("keras,order=icfo,bias=two", {"name": "keras", "order": "icfo", "bias": "two"}),
    ("order=ifog, transposed=true", {"order": "ifog", "transposed": True}),
    ("keras,transposed=false", {"name": "keras", "transposed": False}),
    ("joined=hx", {"joined": "hx"}),
    ("tf1,forget_bias=0.5", {"name": "tf1", "forget_bias": 0.5}),
    ("order=ifco,bias=8H,peephole=iof,state=ch", {"order": "ifco", "bias": "8H", "peephole": "iof", "state": "ch"}),
    ("pytorch,separate=true,flat_blocks=true", {"name": "pytorch", "separate": True, "flat_blocks": True}),
]
OPTION_TEXTS: list[tuple[str, Any]] = [
    ("candidate_activation=relu,merge=sum", {"candidate_activation": "relu", "merge": "sum"}),
    ("gate_activation=affine(0.5, 1),padding=carry", {"gate_activation": "affine(0.5, 1)", "padding": "carry"}),
    ("direction=reverse", {"direction": "reverse"}),
    ("clip=3,peephole=true,layer_norm=false", {"clip": 3.0, "peephole": True, "layer_norm": False}),
    ("clip=none", {"clip": None}),
    ("clip=3,reverse.clip=1,reverse.coupled=true", {"clip": 3.0, "reverse": {"clip": 1.0, "coupled": True}}),
]
LAYOUT_FAULTS = [
    ("kerras", "layout 'kerras' is not known; did you mean 'keras'?"),
    ("keras,ordr=icfo", "layout: no part 'ordr'; did you mean 'order'?; there are name, transposed, bias"),
    ("keras,gate_order=icfo", "layout: no part 'gate_order'; write order=ifco"),
    ("keras,order=icfo,order=ifco", "layout: order is given twice, as 'icfo' and 'ifco'; leave one out"),
    ("keras,bias=three", "layout: bias must be one, two, 4H, 8H, rows or column; found 'three'"),
    ("keras,bias=8h", "layout: bias must be one, two, 4H, 8H, rows or column; found '8h'; did you mean '8H'?"),
    ("keras,transposed=yes", "layout: transposed must be true or false; found 'yes'"),
    ("keras,transposed=", "layout: transposed has no value; expected transposed=true or false"),
    ("keras,pytorch", "layout: no part 'pytorch'"),
    ("tf1,forget_bias=one", "layout: forget_bias must be a number; found 'one'"),
    ("order=ifcc", "gate order 'ifcc': expected each of i, f, c"),
    ("", "layout: name has no value"),
]
OPTION_FAULTS = [
    ("recurrent-activation=relu", "option: no part 'recurrent-activation'; write gate_activation=…"),
    ("go_backwards=true", "option: no part 'go_backwards'; write direction=reverse"),
    ("peepholes=true", "option: no part 'peepholes'; did you mean 'peephole'?; there are bias"),
    ("peephole=1", "option: peephole must be true or false; found '1'"),
    ("merge=ave", "option: merge must be concat, sum, mean, product or none; found 'ave'"),
    ("clip=wide", "option: clip must be a number or none; found 'wide'"),
    ("clip=nan", "option: clip must be a number or none; found 'nan'"),
    ("merge=sum,merge=mean", "option: merge is given twice, as 'sum' and 'mean'; leave one out"),
    ("merge", "option: merge has no value; expected merge=concat, sum, mean, product or none"),
    ("", "option: no part ''"),
]


@pytest.mark.parametrize(("text", "meant"), LAYOUT_TEXTS)
def test_a_layout_as_text(text: str, meant: Any) -> None:
    assert layout(text) == layout(meant)


@pytest.mark.parametrize(("text", "meant"), OPTION_TEXTS)
def test_options_as_text(text: str, meant: Any) -> None:
    assert options_of_text(text) == meant


@pytest.mark.parametrize(("text", "said"), LAYOUT_FAULTS)
def test_a_layout_that_is_none(text: str, said: str) -> None:
    with pytest.raises(OptionError, match=re.escape(said)):
        layout(text)


@pytest.mark.parametrize(("text", "said"), OPTION_FAULTS)
def test_options_that_are_none(text: str, said: str) -> None:
    with pytest.raises(OptionError, match=re.escape(said)):
        options_of_text(text)


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(OptionError) as caught:
        layout("keras,ordr=icfo,bias=three,transposed=yes")
    assert len(caught.value.problems) == 3


def test_all_of_a_problem_file_can_be_said() -> None:
    """The parts of a layout and the options of every cell, by the names that they have there."""
    values = {"name": "keras", "order": "icfo", "peephole": "iof", "bias": "two", "joined": "xh", "state": "ch"}
    for name in LayoutSpec.model_fields:
        value = values.get(name, 1.0 if name == "forget_bias" else True)
        assert layout(f"{name}={str(value).lower()}") == layout({name: value})
    assert all(layout(name) == layout(name.upper()) == known for name, known in LAYOUTS.items())
    for cell in KINDS.values():
        for field in fields(cell):
            name = field.name
            plain = "true" if isinstance(field.default, bool) else "3" if field.default is None else str(field.default)
            assert name in options_of_text(f"{name}={plain}")


def test_a_run_takes_what_a_text_says() -> None:
    rng = np.random.default_rng(0)
    arrays = {"kernel": rng.normal(size=(5, 12)), "recurrent_kernel": rng.normal(size=(3, 12))}
    x = rng.normal(size=(4, 5))
    one = lt.run(arrays, x, layout="keras,order=icfo", options=options_of_text("gate_activation=relu"))
    other = lt.run(arrays, x, layout={"name": "keras", "order": "icfo"}, options={"gate_activation": "relu"})
    assert np.array_equal(one["h_t"], other["h_t"])


def test_an_option_of_another_cell_is_refused_with_what_to_write() -> None:
    """`activation` is an option of a plain RNN, and Keras's word for two of an LSTM's."""
    w = {"kernel": np.zeros((5, 12)), "recurrent_kernel": np.zeros((3, 12))}
    said = "no option activation (write candidate_activation and output_activation). Its options: bias,"
    with pytest.raises(OptionError, match=re.escape(f"the cell 'lstm' has {said}")):
        lt.prepare(w, layout="keras", options=options_of_text("activation=relu"))


def test_everything_that_takes_a_layout_takes_its_text(tmp_path: Path) -> None:
    """A file, arrays, a problem: as on the command line."""
    rng = np.random.default_rng(0)
    arrays = {"kernel": rng.normal(size=(5, 12)), "recurrent_kernel": rng.normal(size=(3, 12))}
    x = rng.normal(size=(4, 5))
    np.savez(tmp_path / "m.npz", **arrays)
    said: Any = {"layout": "keras,order=icfo"}
    trace = lt.run(arrays, x, layout={"name": "keras", "order": "icfo"})
    problem = lt.run({"weights": {name: array.tolist() for name, array in arrays.items()}, "x": x.tolist(), **said})
    for other in (lt.run(arrays, x, **said), lt.run(tmp_path / "m.npz", x, **said), problem):
        assert np.array_equal(other["h_t"], trace["h_t"])
    assert lt.inspect(tmp_path / "m.npz", **said)[0].facts["layout"] == "keras, changed"
    for weights in (arrays, tmp_path / "m.npz"):
        assert lt.identify(weights, x, trace.output, **said).right
    with pytest.raises(OptionError, match="layout: no part 'ordr'; did you mean 'order'"):
        lt.run(arrays, x, layout="keras,ordr=icfo")
