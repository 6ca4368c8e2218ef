"""Composite functions: names for expressions in the operations of `ops`, as text in the grammar of `parse`.

A call is expanded into lines when it is parsed; nothing else in the package knows these functions. To add one, add a
row to `TABLE`. A cell can define its own in the same way: `mish(z) = z * tanh(softplus(z))` among its equations.
"""

from __future__ import annotations

import keyword
import math
import re
import unicodedata
from typing import NamedTuple

from .lines import Function
from .ops import FUNCTIONS

#: Definition to the printed name, if that differs. A function whose arguments after the first have default values can
#: be an activation. Definitions: keras.activations and torch.nn.functional unless a source is named.
TABLE: dict[str, str] = {
    "linear(z) = affine(z, 1, 0)": "",
    # the activations of the ONNX operator LSTM, with its default values (onnx/defs/rnn/defs.cc)
    "affine(z, alpha=1, beta=0) = alpha * z + beta": "",
    "leaky_relu(z, alpha=0.01) = where(relu(z), z, alpha * z)": "LeakyReLU",
    "thresholded_relu(z, alpha=1) = where(relu(z - alpha), z, 0)": "ThresholdedReLU",
    "scaled_tanh(z, alpha=1, beta=1) = alpha * tanh(beta * z)": "ScaledTanh",
    "hard_sigmoid(z, alpha=0.2, beta=0.5) = clip(alpha * z + beta, 0, 1)": "",  # Keras 1 and 2 too
    "softsign(z) = z / (1 + max(z, -z))": "",
    "exponential(z) = exp(z)": "",
    "hard_sigmoid_keras(z) = hard_sigmoid(z, 0.16666666666666666, 0.5)": "",  # Keras 3
    "hard_tanh(z) = clip(z, -1, 1)": "HardTanh",
    "relu6(z) = clip(z, 0, 6)": "ReLU6",
    "selu(z) = 1.0507009873554805 * elu(z, 1.6732632423543772)": "SELU",  # Klambauer et al. 2017
    "silu(z) = z * sigmoid(z)": "SiLU",  # Hendrycks & Gimpel 2016
    "swish(z) = z * sigmoid(z)": "",  # Ramachandran et al. 2017, with beta = 1
    "hard_silu(z) = z * hard_sigmoid(z, 0.16666666666666666, 0.5)": "HardSiLU",  # Howard et al. 2019
    "hard_swish(z) = z * hard_sigmoid(z, 0.16666666666666666, 0.5)": "HardSwish",
    # the approximation of Hendrycks & Gimpel 2016, section 2: sqrt(2 / pi) and 0.044715; the exact one needs erf
    "gelu_tanh(z) = 0.5 * z * (1 + tanh(0.7978845608028654 * (z + 0.044715 * z * z * z)))": "GELU",
    "mish(z) = z * tanh(softplus(z))": "Mish",  # Misra 2019
    "log_sigmoid(z) = -softplus(-z)": "LogSigmoid",
    "celu(z, alpha=1) = relu(z) + alpha * elu(quotient(-relu(-z), alpha))": "CELU",  # Barron 2017
    "tanh_shrink(z) = z - tanh(z)": "",
    "hard_shrink(z, threshold=0.5) = thresholded_relu(z, threshold) - thresholded_relu(-z, threshold)": "",
    "soft_shrink(z, threshold=0.5) = relu(z - threshold) - relu(-z - threshold)": "",
    "threshold(z, threshold=1, value=0) = where(relu(z - threshold), z, value)": "",
    "abs(z) = max(z, 0 - z)": "",  # 0 of 0, and not -0
    "square(z) = z * z": "",
    "squareplus(z, b=4) = 0.5 * (z + sqrt(z * z + b))": "",  # Barron 2021
    "sparse_plus(z) = max(z, 0.25 * (clip(z, -1, 1) + 1) * (clip(z, -1, 1) + 1))": "",
    "sparse_sigmoid(z) = hard_sigmoid(z, 0.5, 0.5)": "",
    # over the units of a value
    "softmax(z) = exp(z - max(z)) / sum(exp(z - max(z)))": "",
    "log_softmax(z) = z - max(z) - log(sum(exp(z - max(z))))": "LogSoftmax",
    "count(z) = sum(where(0, z, 1))": "",  # the number of units of z
    "expand(d, z) = where(0, z, d)": "",  # one number for each unit of z
    # of vectors beside matrices: `outer(v, ones(u))` has the number v[i] in its whole row i
    "dot(a, b) = sum(a * b)": "",
    "ones(u) = where(0, u, 1)": "",  # a one for each unit of u
    # losses: half the sum of squares, as in Bishop 2006, (5.11); the cross entropy takes the scores before softmax
    "squared_error(y, target) = 0.5 * sum((y - target) * (y - target))": "SquaredError",
    "cross_entropy(z, target) = -sum(target * log_softmax(z))": "CrossEntropy",
    "min(a, b) = 0 - max(-a, -b)": "",
    "quotient(a, b) = a / b": "",  # for use in expressions, where `/` is not allowed
}

_HEAD = re.compile(r"\s*(\w+)\s*\(([^()]*)\)\s*=(?!=)")


class Head(NamedTuple):
    """The left side of a definition, and where its right side begins."""

    name: str
    arguments: list[str]
    start: int


def head(row: str) -> Head | None:
    """The left side of a row that is a definition; None for any other row."""
    found = _HEAD.match(row)
    if found is None:
        return None
    body = row[found.end() :]
    name, inside = (unicodedata.normalize("NFKC", text) for text in found.groups())  # as Python reads names
    return Head(name, [part.strip() for part in inside.split(",")], found.end() + len(body) - len(body.lstrip()))


def function(said: Head, body: str) -> Function:
    """The function given by a definition. Raises ValueError that says what is wrong with its left side."""
    names: list[str] = []
    defaults: list[float] = []
    if not is_name(said.name):
        known = f"{said.name} is an operation" if said.name in FUNCTIONS else f"{said.name} cannot be a name"
        raise ValueError(f"{known}; give the function another name")
    for argument in said.arguments:
        name, mark, default = (part.strip() for part in argument.partition("="))
        if not is_name(name) or name in names or name.endswith("_prev"):
            raise ValueError(f"expected different names as arguments of {said.name}; found {name!r}")
        if not mark and defaults:
            raise ValueError(f"the argument {name} of {said.name} needs a default value, as those before it have")
        if mark:
            try:
                value = float(default)
            except ValueError:
                value = math.nan
            if not math.isfinite(value):
                raise ValueError(f"the default value of {name} must be a number; found {default!r}")
            defaults.append(value or 0.0)
        names.append(name)
    return Function(said.name, tuple(names), tuple(defaults), body)


def is_name(text: str) -> bool:
    """Whether an equation may assign, or a definition may define, this name."""
    return text.isidentifier() and not keyword.iskeyword(text) and text not in FUNCTIONS


_ROWS = [(said, text[said.start :], printed) for text, printed in TABLE.items() if (said := head(text))]
#: The functions of `TABLE` by name, and the printed names of some.
BUILT_IN: dict[str, Function] = {said.name: function(said, body) for said, body, _ in _ROWS}
PRINTED: dict[str, str] = {said.name: printed for said, _, printed in _ROWS if printed}


class Functions(dict[str, Function]):
    """The functions that a cell defines, and those of the table that it calls, by name.

    operations, names: the number of operations that their calls expand into, and the total length of new lines' names.
    """

    operations = names = 0

    def find(self, name: str) -> Function | None:
        """The function with this name; a function of the table belongs to the cell from then on."""
        if name not in self and name in BUILT_IN:
            self[name] = BUILT_IN[name]
        return self.get(name)
