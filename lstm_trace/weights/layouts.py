"""How frameworks store the weights of an LSTM, a GRU or a plain RNN: one record for each, one field per property.

Our own form is one matrix per gate, (H, I) and (H, H), in reading order. `unpack` converts any of these layouts to it.
Each row names its source; "not run" marks rows that were taken from the framework's source, or from a description of
it, but not compared with its results here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Literal, get_type_hints

from ..base.arrays import describe
from ..cell.named_cells import KINDS
from ..errors import OptionError, nearest, raise_all
from .option_text import read_parts

#: Other letters for a cell's gates, to ours: an LSTM's candidate is g in PyTorch, j in TensorFlow, z in Greff et al.; a
#: GRU's update gate is z, its candidate n in PyTorch, c in Paddle, o in CoreML.
LETTERS: dict[str, dict[int, int]] = {
    "lstm": str.maketrans("gjz", "ccc"), "gru": str.maketrans("zncgo", "uhhhh"), "rnn": {},
}  # fmt: skip
#: What a cell is called in messages, and all of them.
NOUNS = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN"}
ANY = "LSTM, GRU or RNN"
#: What a cell with equations of its own is called.
OWN = "custom cell"
#: The cells whose weights files and modules have.
STORED = tuple(NOUNS)

Names = tuple[tuple[str, str], ...]

# Names that arrays may have in every layout; with `joined`, the kernel is the joined one.
_STACKED: Names = (
    ("input", r"W_x|W_ih|Wx|weight_ih|kernel|W"), ("recurrent", r"W_h|W_hh|Wh|weight_hh|recurrent_kernel|U|R"),
    ("joined", r"W|kernel|w|weight|W_xh|W_hx"), ("bias", r"b|bias|B"), ("bias_x", r"b_x|b_ih|bias_ih"),
    ("bias_h", r"b_h|b_hh|bias_hh"), ("peephole", r"w_c|P|peephole"), ("peephole_gate", r"w_c(?P<gate>[ifo])"),
    ("projection", r"W_hr|weight_hr|projection"), ("projection_bias", r"b_hr|projection_bias"),
)  # fmt: skip
#: The groups of a pattern that are no gates.
PLACED = frozenset({"gate", "layer", "back"})
_GATE = "(?P<gate>[ifcgjzo])"
_SEPARATE: Names = (
    ("input", rf"W_x{_GATE}"), ("input", rf"W_i{_GATE}"), ("recurrent", rf"(W_h|U_|R_){_GATE}"),
    ("joined", rf"W_{_GATE}"), ("bias", rf"b_{_GATE}"), ("bias_x", rf"b_[xi]{_GATE}"), ("bias_h", rf"b_h{_GATE}"),
    ("peephole_gate", r"w_c(?P<gate>[ifo])"), ("projection", r"W_hr"), ("projection_bias", r"b_hr"),
)  # fmt: skip
_BIASES = {
    "none": "no biases", "one": "one bias for each gate", "two": "two biases for each gate",
    "8H": "two biases in one array", "rows": "two biases as the rows of one array",
    "4H": "one bias for each gate and a recurrent one for the candidate",
    "column": "the bias as the kernel's last column",
}  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """The properties of one way to store the weights of one cell.

    order: the order in which the gates are stacked, in the letters i, f, c (or g, j, z), o; of a GRU r, u (or z), h (or
    n); of a plain RNN h alone.
    separate: one array per gate instead of a stack of all.
    input_transposed, recurrent_transposed: (I, 4H) and (H, 4H) instead of (4H, I) and (4H, H).
    joined: one kernel that multiplies [x; h] (`xh`) or [h; x] (`hx`) instead of two.
    bias: one vector per gate, two (`two`), two in sequence in one array (`8H`), one or two as the `rows` of an array,
    or the kernel's last `column`; missing arrays mean none. With `4H` a GRU's array may end with the candidate's
    recurrent bias; that, and two rows, mean a reset gate after the product.
    forget_bias: a number that the framework adds to the forget gate at run time; it is not in the stored bias.
    peephole: the order in which peephole vectors are stacked in one array (3H,).
    projection_transposed: (H, P) instead of (P, H).
    flat_blocks: each gate's block contains its (H, ·) numbers row by row, whatever its shape (CuDNNLSTM).
    direction_axis: arrays have a first axis for the directions, of length 1 or 2.
    state: the order in which the framework returns its two states. options: of the cell, if they differ from our
    defaults; of a GRU `reset_after`, unless its arrays leave that open.
    coupled_input: if the input gate has no arrays, it is 1 - f (TensorFlow Lite).
    names: (role, pattern of the array's name); the groups `gate`, `layer` and `back` are its letter, its layer and the
    part that marks the reverse direction, and other groups are called by the gates of the array (`ru`); the role
    `candidate_bias` is a GRU's recurrent bias of its candidate alone.
    detect: how the layout is recognised by default: by its `names`, or also by
    `shapes` if the names are too general; empty if another layout has the same arrays.
    """

    name: str
    order: str = "ifco"
    separate: bool = False
    input_transposed: bool = False
    recurrent_transposed: bool = False
    joined: Literal["xh", "hx"] | None = None
    bias: Literal["one", "two", "4H", "8H", "rows", "column"] = "one"
    forget_bias: float = 0.0
    peephole: str = "ifo"
    projection_transposed: bool = False
    flat_blocks: bool = False
    direction_axis: bool = False
    coupled_input: bool = False
    state: Literal["hc", "ch"] = "hc"
    options: tuple[tuple[str, Any], ...] = ()
    names: Names = ()
    detect: Literal["", "names", "shapes"] = ""
    title: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        order = self.order.translate(LETTERS[self.cell])
        if sorted(order) != sorted(self.gates):
            expected = "each of i, f, c (or g, j, z) and o once, for example ifco"
            if self.cell != "lstm":
                expected = f"{expected}; of a GRU each of r, u (or z) and h (or n), of an RNN h alone"
            raise OptionError(f"gate order {self.order!r}: expected {expected}")
        if sorted(self.peephole) != sorted("ifo"):
            raise OptionError(f"peephole order {self.peephole!r}: expected each of i, f and o once, for example ifo")
        if self.bias == "column" and not self.joined:
            raise OptionError("bias column: it is the last column of a joined kernel; say joined (xh or hx) as well")
        object.__setattr__(self, "order", order)

    @property
    def cell(self) -> str:
        """The name of the cell whose weights these are: by the number of its gates."""
        return {3: "gru", 1: "rnn"}.get(len(self.order), "lstm")

    @property
    def gates(self) -> str:
        """The letters of the cell's gates: a stack has a block for each, in another order."""
        return KINDS[self.cell].gates

    @property
    def noun(self) -> str:
        """What the cell is called in messages."""
        return NOUNS[self.cell]

    def rows(self, size: int | None = None) -> str:
        """The length of a stack of all gates, in H or as a number: `4H`."""
        count = len(self.order)
        return f"{'' if count == 1 else count}H" if size is None else str(count * size)

    @cached_property
    def others(self) -> tuple[Layout, ...]:
        """The same layout for other cells, if the framework has them and the order of the gates is not given."""
        name = self.name.removesuffix(CHANGED)
        base = LAYOUTS.get(name)
        if base is None or base.order != self.order:
            return ()
        changed = {fact: getattr(self, fact) for fact in FACTS if getattr(self, fact) != getattr(base, fact)}
        return tuple(replace(rows[name], **changed, name=self.name) for rows in OTHERS.values() if name in rows)

    @cached_property
    def arrays(self) -> tuple[str, ...]:
        """The gates of each array, if they are separate: each gate alone, or those that the names say."""
        named = {group for _, pattern in self.own for group in re.findall(r"\?P<(\w+)>", pattern)}
        return tuple(sorted(named - PLACED)) or tuple(self.gates)

    @cached_property
    def own(self) -> Names:
        """(role, pattern) of the framework's own array names."""
        return tuple((role, pattern) for role, pattern in self.names if role not in self._unused)

    @cached_property
    def patterns(self) -> Names:
        """(role, pattern) of every name that an array may have, the framework's own first."""
        general = _SEPARATE if self.separate else _STACKED
        return (*self.own, *((role, pattern) for role, pattern in general if role not in self._unused))

    @property
    def _unused(self) -> set[str]:
        return {"input", "recurrent"} if self.joined else {"joined"}

    def describe(self, biases: str = "") -> str:
        """The properties in one sentence. biases: those of the arrays, if known: none, or a value of `bias`."""
        said = ["an array for each gate" if self.separate else f"gates stacked in the order {', '.join(self.order)}"]
        said = ["one set of weights"] if self.cell == "rnn" else said
        if self.joined:
            said.append(f"one kernel for [{'; '.join(self.joined)}]")
        if self.input_transposed and self.recurrent_transposed:
            said.append("matrices transposed")
        elif self.input_transposed or self.recurrent_transposed:
            said.append(f"{'input' if self.input_transposed else 'recurrent'} matrix transposed")
        if self.flat_blocks:
            said.append("each gate's block flattened row by row")
        held = _BIASES[biases or self.bias]
        said.append(held.removesuffix(" for each gate") if self.cell == "rnn" else held)
        if self.forget_bias:
            said.append(f"{self.forget_bias:g} added to the forget gate at run time")
        return "; ".join(said)


CHANGED = ", changed"
_FIXED = {"name", "names", "detect", "title", "source", "options", "coupled_input"}
#: The properties of a layout that a user may change, in alphabetical order.
FACTS = tuple(sorted(f.name for f in fields(Layout) if f.name not in _FIXED))


def layout(given: str | Mapping[str, Any] | Layout) -> Layout:
    """A layout by name, by properties, or by a name with other properties: `{name: keras, order: icfo}`, or as text,
    as the command line has it, `keras,order=icfo`.

    Properties without a name describe arrays with general names: `W_x`, `W_h` and `b` if an order is given, otherwise
    one array per gate (`W_xi`, or `W_i` if joined). `transposed` applies to both matrices.
    Raises OptionError for an unknown name or property; for a text with every fault.

    >>> layout("tf1").order, layout({"joined": "hx"}).separate, layout("keras,transposed=false").input_transposed
    ('icfo', True, False)
    """
    if isinstance(given, Layout):
        return given
    if isinstance(given, str):
        hints = get_type_hints(Layout)
        known = {"name": str, "transposed": bool, **{name: hints[name] for name in FACTS}}
        given = read_parts(given, known, "layout", "name")
    if not isinstance(given, Mapping):
        raise OptionError(f"layout: expected a name, or facts as in {{'order': 'ifco'}}, found {describe(given)}")
    facts = {key: value for key, value in given.items() if value is not None}
    name = facts.pop("name", None)
    base = Layout("parts", separate="order" not in facts) if name is None else LAYOUTS.get(str(name).lower())
    for rows in OTHERS.values():  # an order of fewer gates is that of another cell
        other = rows.get(str(name).lower())
        base = other if other is not None and len(other.order) == len(str(facts.get("order", ""))) else base
    if base is None:
        raise OptionError(f"layout {name!r} is not known{nearest(name, LAYOUTS, 'there are')}")
    if "transposed" in facts:
        both = facts.pop("transposed")
        facts = {"input_transposed": both, "recurrent_transposed": both, "projection_transposed": both, **facts}
    unknown, listed = (key for key in facts if key not in FACTS), ", ".join(FACTS)
    raise_all(OptionError, (f"layout: no fact {key!r}{nearest(key, FACTS)}; its facts: {listed}" for key in unknown))
    changed = {key: value for key, value in facts.items() if value != getattr(base, key)}
    return replace(base, **facts, name=base.name + ("" if not changed or base.name == "parts" else CHANGED))


def _parts(gates: str) -> Names:
    """Our own names for an array for each gate."""
    prefixes = (("input", "W_x"), ("recurrent", "W_h"), ("bias", "b_"), ("bias_x", "b_x"), ("bias_h", "b_h"))
    return tuple((role, f"{prefix}(?P<gate>[{gates}])") for role, prefix in prefixes)


_OURS = (
    *_parts("ifco"), *_SEPARATE[-3:],
    *((f"{part}{cell}", f"{part}_{gate}") for part in ("gamma", "beta") for cell, gate in
      (("", r"(?P<gate>[ifco])"), ("_cell", "cell"))),
)  # fmt: skip
_KERAS = (("input", "kernel"), ("recurrent", "recurrent_kernel"), ("bias", "bias"))
_TORCH = tuple((role, rf"{name}(_l(?P<layer>\d+))?(?P<back>_reverse)?") for role, name in (
    ("input", "weight_ih"), ("recurrent", "weight_hh"), ("bias_x", "bias_ih"), ("bias_h", "bias_hh"),
    ("projection", "weight_hr"),
))  # fmt: skip
_TFLITE = "(?P<gate>input|forget|cell|output)"
_ONNX = (("input", "W"), ("recurrent", "R"), ("bias", "B"), ("peephole", "P"))
_MXNET = (("input", "i2h_weight"), ("recurrent", "h2h_weight"), ("bias_x", "i2h_bias"), ("bias_h", "h2h_bias"))
_WEBNN = (
    ("input", "weight"), ("recurrent", "recurrentWeight"), ("bias_x", "bias"), ("bias_h", "recurrentBias"),
    ("peephole", "peepholeWeight"),
)  # fmt: skip
_HARD = (("gate_activation", "hard_sigmoid"),)
_TURNED: dict[str, Any] = {"input_transposed": True, "recurrent_transposed": True}

#: Every layout of an LSTM by name.
LAYOUTS: dict[str, Layout] = {row.name: row for row in (
    Layout("gates", separate=True, names=_OURS, detect="names", title="Our own names: an array for each gate",
           source="W_xi, W_hi, b_i, …; W_i … W_o where joined"),
    Layout("pytorch", "ifgo", bias="two", names=_TORCH, detect="names", title="PyTorch nn.LSTM, nn.LSTMCell",
           source="torch/nn/modules/rnn.py; compared"),
    Layout("keras", "ifco", **_TURNED, names=_KERAS, detect="names",
           title="Keras 3, tf.keras LSTM", source="keras/src/layers/rnn/lstm.py; compared"),
    Layout("keras2", "ifco", **_TURNED, names=_KERAS, options=_HARD,
           title="stand-alone Keras 2, before 2.3",
           source="keras 2 layers/recurrent.py: hard sigmoid by default; not run"),
    Layout("keras1", "icfo", separate=True, **_TURNED, options=_HARD,
           names=(("input", r"(?:\w+_)?W_(?P<gate>[ifco])"), ("recurrent", r"(?:\w+_)?U_(?P<gate>[ifco])"),
                  ("bias", r"(?:\w+_)?b_(?P<gate>[ifco])")),
           title="Keras 1: twelve arrays", source="keras 2 engine/saving.py, its loader of Keras 1 files; not run"),
    Layout("cudnn", "ifco", **_TURNED, bias="8H", flat_blocks=True, names=_KERAS,
           detect="shapes", title="Keras CuDNNLSTM",
           source="keras 2 engine/saving.py, convert_rnn_weights; compared with its formula"),
    Layout("onnx", "iofc", bias="8H", peephole="iof", direction_axis=True, names=_ONNX, detect="shapes",
           title="ONNX LSTM", source="onnx/defs/rnn/defs.cc; compared"),
    Layout("tf1", "ijfo", joined="xh", **_TURNED, forget_bias=1.0, state="ch",
           projection_transposed=True,
           names=(("projection", "projection/kernel"), ("joined", "kernel"), ("bias", "bias"),
                  ("peephole_gate", r"w_(?P<gate>[ifo])_diag")),
           title="TensorFlow 1 BasicLSTMCell, LSTMCell", source="rnn_cell_impl.py; not run"),
    Layout("tf-block", "icfo", joined="xh", **_TURNED, forget_bias=1.0,
           state="ch", options=(("cell_clip", 3.0),),
           names=(("joined", "kernel|w"), ("bias", "bias|b"), ("peephole_gate", r"wc(?P<gate>[ifo])"),
                  ("peephole_gate", r"w_(?P<gate>[ifo])_diag")),
           title="TensorFlow 1 LSTMBlockCell, BlockLSTM", source="core/ops/rnn_ops.cc; not run"),
    Layout("tf-block-v2", "ifco", joined="xh", **_TURNED, state="ch",
           names=(("joined", "kernel|w"), ("bias", "bias|b"), ("peephole_gate", r"wc(?P<gate>[ifo])")),
           title="TensorFlow BlockLSTMV2", source="core/ops/rnn_ops.cc; not run"),
    Layout("tflite", "ifco", separate=True, coupled_input=True,
           names=(("input", rf"input_to_{_TFLITE}_weights"), ("recurrent", rf"recurrent_to_{_TFLITE}_weights"),
                  ("bias", rf"{_TFLITE}(_gate)?_bias"), ("peephole_gate", rf"cell_to_{_TFLITE}_weights"),
                  ("projection", "projection_weights"), ("projection_bias", "projection_bias"),
                  ("norm", rf"{_TFLITE}_layer_norm_coefficients")),
           detect="names", title="TensorFlow Lite full LSTM", source="lite/kernels/lstm_shared.h; compared"),
    Layout("flax", separate=True, **_TURNED, state="ch",
           names=(("input", r"i(?P<gate>[ifgo])_?/kernel"), ("recurrent", r"h(?P<gate>[ifgo])_?/kernel"),
                  ("bias", r"h(?P<gate>[ifgo])_?/bias")),
           detect="names", title="Flax linen LSTMCell, OptimizedLSTMCell; nnx LSTMCell",
           source="flax/linen/recurrent.py, flax/nnx/nn/recurrent.py; compared"),
    Layout("flax-nnx-optimized", "ifgo", **_TURNED, state="ch",
           names=(("input", "dense_i/kernel"), ("recurrent", "dense_h/kernel"), ("bias", "dense_[ih]/bias")),
           detect="names", title="Flax nnx OptimizedLSTMCell", source="flax/nnx/nn/recurrent.py; compared"),
    Layout("haiku", "igfo", joined="xh", **_TURNED, forget_bias=1.0,
           names=(("joined", "linear/w|w"), ("bias", "linear/b|b")), title="Haiku LSTM",
           source="haiku/_src/recurrent.py; not run"),
    Layout("equinox", "ifgo", names=(("input", "weight_ih"), ("recurrent", "weight_hh"), ("bias", "bias")),
           detect="names", title="Equinox LSTMCell", source="equinox/nn/_rnn.py; not run"),
    Layout("mxnet", "ifgo", bias="two",
           names=tuple((role, rf"(?:\w*_)?(?:(?:l|(?P<back>r))(?P<layer>\d+)_)?{name}") for role, name in _MXNET),
           detect="names", title="MXNet Gluon LSTM, LSTMCell", source="gluon/rnn/rnn_cell.py; not run"),
    Layout("caffe", "ifog", names=(("input", "W_xc"), ("recurrent", "W_hc"), ("bias", "b_c")), title="Caffe LSTM",
           source="lstm_layer.cpp; not run"),
    Layout("coreml", "ifog", peephole="ifo",
           names=tuple((role, f"{name}(?P<back>_back)?") for role, name in (
               ("input", "weight_ih"), ("recurrent", "weight_hh"), ("bias", "bias"), ("peephole", "peephole"))),
           detect="names", title="CoreML MIL lstm", source="mil/ops/defs/iOS15/recurrent.py; not run"),
    Layout("openvino", "figo", direction_axis=True, names=_ONNX[:3], detect="shapes",
           title="OpenVINO LSTMSequence", source="operation specification; not run"),
    *(Layout(name, order, bias="two", peephole="iof", direction_axis=True, names=_WEBNN,
             title=f"WebNN lstm, layout {order}", source="specification; not run")
      for name, order in (("webnn", "iofg"), ("webnn-ifgo", "ifgo"))),
    Layout("ncnn", "ifog", bias="4H", direction_axis=True, detect="names",
           names=(("input", "weight_xc"), ("recurrent", "weight_hc"), ("bias", "bias_c"), ("projection", "weight_hr")),
           title="ncnn LSTM", source="src/layer/lstm.cpp; not run"),
    Layout("paddle", "ifgo", bias="two", projection_transposed=True,
           names=tuple((role, name.replace("weight_hr", "weight_ho")) for role, name in _TORCH),
           detect="names", title="Paddle LSTM, LSTMCell", source="nn/layer/rnn.py; not run"),
    Layout("mlx", "ifgo", names=(("input", "Wx"), ("recurrent", "Wh"), ("bias", "bias")), detect="names",
           title="MLX LSTM", source="mlx/nn/layers/recurrent.py, newest; not run"),
    Layout("mlx-old", "ifgo", **_TURNED, detect="names",
           names=(("input", "Wx"), ("recurrent", "Wh"), ("bias", "bias")),
           title="MLX LSTM, first versions", source="mlx/nn/layers/recurrent.py, 2024; not run"),
    Layout("arras", "igfo", bias="two",
           names=tuple((role, f"{name}_(Left|(?P<back>Right))") for role, name in (
               ("input", "Wxh"), ("recurrent", "Whh"), ("bias_x", "bxh"), ("bias_h", "bhh"))),
           detect="names", title="Arras et al., LRP for LSTM", source="LSTM_bidi.py; not run"),
    Layout("ai-by-hand", "fcio", separate=True, joined="xh", bias="column", title="AI by Hand, Excel",
           source="the workbook: a matrix (H, I + H + 1) for each gate; not run"),
)}  # fmt: skip


def _rows(order: str, *rows: tuple[str, str, str, dict[str, Any]]) -> dict[str, Layout]:
    """Layouts of another cell: names, orientation and biases are those of the LSTM's layout, unless a row changes them.

    order: that of the gates, unless a row changes it. rows: name, title, source and changes.
    """
    common: dict[str, Any] = {"order": order, "options": (), "forget_bias": 0.0, "peephole": "ifo"}
    return {
        name: replace(LAYOUTS[name], **{**common, "title": title, "source": source, **changed})
        for name, title, source, changed in rows
    }


_AFTER = {"options": (("reset_after", True),)}
_ZRH = {"order": "zrh"}
_LINEN = (
    ("input", r"i(?P<gate>[rzn])/kernel"), ("recurrent", r"h(?P<gate>[rzn])/kernel"),
    ("bias", r"i(?P<gate>[rzn])/bias"), ("candidate_bias", "hn/bias"),
)  # fmt: skip
_MLX: dict[str, Any] = {
    "names": (("input", "Wx"), ("recurrent", "Wh"), ("bias", "b"), ("candidate_bias", "bhn")), **_AFTER,
}  # fmt: skip
# a square matrix does not say whether it is transposed
_SIMPLE_MLX = {"names": (("input", "Wxh"), ("recurrent", "Whh"), ("bias", "bias")), "detect": ""}
_KERAS1_GRU = tuple(
    (role, rf"(?:\w+_)?{word}_(?P<gate>[zrh])") for role, word in (("input", "W"), ("recurrent", "U"), ("bias", "b"))
)
# the gates have an array, the candidate has another
_TF1_GRU = tuple(
    (role, f"(?P<ru>{gates})|(?P<h>{candidate})") for role, gates, candidate in (
        ("joined", "gates/kernel|w_ru", "candidate/kernel|w_c"), ("bias", "gates/bias|b_ru", "candidate/bias|b_c"))
)  # fmt: skip
_HAIKU_GRU = {**_ZRH, "joined": None, "names": (("input", "w_i"), ("recurrent", "w_h"), ("bias", "b"))}
_HAIKU_RNN = {"joined": None, "bias": "two", "options": (("activation", "relu"),), "names": (
    ("input", "linear/w"), ("recurrent", "linear_1/w"), ("bias_x", "linear/b"), ("bias_h", "linear_1/b"))}  # fmt: skip
_BEFORE = ("reset_after", False)
#: The layouts of other cells, by cell and name.
OTHERS: dict[str, dict[str, Layout]] = {
    "gru": _rows(
        "rzn",
        ("gates", "Our own names: an array for each gate", "W_xr, W_hr, b_r, …", {"names": _parts("ruh")}),
        ("pytorch", "PyTorch nn.GRU, nn.GRUCell", "torch/nn/modules/rnn.py; compared", _AFTER),
        ("keras", "Keras 3, tf.keras GRU", "keras/src/layers/rnn/gru.py; compared", {**_ZRH, "bias": "rows"}),
        ("keras2", "stand-alone Keras 2, before 2.3", "keras 2 layers/recurrent.py: hard sigmoid by default; not run",
         {**_ZRH, "bias": "rows", "options": _HARD}),
        ("keras1", "Keras 1: nine arrays", "keras 2 engine/saving.py, its loader of Keras 1 files; not run",
         {**_ZRH, "names": _KERAS1_GRU, "options": (*_HARD, _BEFORE)}),
        ("cudnn", "Keras CuDNNGRU", "keras 2 engine/saving.py, convert_rnn_weights; compared with its formula",
         {**_ZRH, **_AFTER}),
        ("onnx", "ONNX GRU", "onnx/defs/rnn/defs.cc; compared", _ZRH),
        ("tf1", "TensorFlow 1 GRUCell, GRUBlockCell", "rnn_cell_impl.py, gru_ops.py; not run",
         {"separate": True, "names": _TF1_GRU, "state": "hc", "options": (_BEFORE,)}),
        ("flax", "Flax linen GRUCell", "flax/linen/recurrent.py; compared", {"names": _LINEN, **_AFTER}),
        ("flax-nnx-optimized", "Flax nnx GRUCell", "flax/nnx/nn/recurrent.py; compared", _AFTER),
        ("haiku", "Haiku GRU", "haiku/_src/recurrent.py: the update gate writes; not run",
         {**_HAIKU_GRU, "options": (_BEFORE, ("update", "write"))}),
        ("equinox", "Equinox GRUCell", "equinox/nn/_rnn.py; not run",
         {"names": (*LAYOUTS["equinox"].names, ("candidate_bias", "bias_n")), **_AFTER}),
        ("mxnet", "MXNet Gluon GRU, GRUCell", "gluon/rnn/rnn_cell.py; not run", _AFTER),
        ("coreml", "CoreML MIL gru", "mil/ops/defs/iOS15/recurrent.py and its test; not run",
         {"order": "roz", "options": (_BEFORE,)}),
        ("openvino", "OpenVINO GRUSequence", "operation specification, reference/gru_cell.hpp; not run",
         {**_ZRH, "bias": "4H"}),
        ("webnn", "WebNN gru, layout zrn", "specification; not run", {"order": "zrn", **_AFTER}),
        ("ncnn", "ncnn GRU", "src/layer/gru.cpp; not run", _AFTER),
        ("paddle", "Paddle GRU, GRUCell", "nn/layer/rnn.py; not run", _AFTER),
        ("mlx", "MLX GRU", "mlx/nn/layers/recurrent.py; not run", _MLX),
        ("mlx-old", "MLX GRU, first versions", "mlx/nn/layers/recurrent.py, 2024; not run", _MLX),
    ),
    "rnn": _rows(
        "h",
        ("gates", "Our own names", "W_xh, W_hh, b_h, …", {"names": _parts("h")}),
        ("pytorch", "PyTorch nn.RNN, nn.RNNCell", "torch/nn/modules/rnn.py; compared", {}),
        ("keras", "Keras SimpleRNN", "keras/src/layers/rnn/simple_rnn.py; compared", {}),
        ("onnx", "ONNX RNN", "onnx/defs/rnn/defs.cc; compared", {}),
        ("flax", "Flax linen SimpleCell", "flax/linen/recurrent.py; compared",
         {"separate": False, "detect": "", "names": (
             ("input", "i/kernel"), ("recurrent", "h/kernel"), ("bias", "i/bias"))}),
        ("flax-nnx-optimized", "Flax nnx SimpleCell", "flax/nnx/nn/recurrent.py; compared", {}),
        ("haiku", "Haiku VanillaRNN", "haiku/_src/recurrent.py; not run", _HAIKU_RNN),
        ("mxnet", "MXNet Gluon RNN, RNNCell", "gluon/rnn/rnn_cell.py; not run", {}),
        ("coreml", "CoreML MIL rnn", "mil/ops/defs/iOS15/recurrent.py; not run", {}),
        ("openvino", "OpenVINO RNNSequence", "operation specification; not run", {}),
        ("ncnn", "ncnn RNN", "src/layer/rnn.cpp; not run", {}),
        ("paddle", "Paddle SimpleRNN, SimpleRNNCell", "nn/layer/rnn.py; not run", {}),
        ("mlx", "MLX RNN", "mlx/nn/layers/recurrent.py; not run", _SIMPLE_MLX),
        ("mlx-old", "MLX RNN, first versions", "mlx/nn/layers/recurrent.py, 2024; not run", _SIMPLE_MLX),
    ),
}  # fmt: skip
