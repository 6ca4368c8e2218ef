"""Update rules as cells: time is the number of the update, a row of the batch is a row of the parameter.

`g_t` is the gradient at the update, `w_prev` the parameter before it. So momentum and Adam are lines too, and every
number of theirs is traced, verified and printed as that of any other cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..cell.lines import Cell
from ..cell.parse import parse
from ..errors import CellError, OptionError, nearest


class Optimizer(NamedTuple):
    """A rule with the values of its constants, and those of states that do not begin with 0."""

    equations: str
    constants: Mapping[str, float]
    initial: Mapping[str, float] = {}

    @property
    def cell(self) -> Cell:
        """The rule as a cell."""
        return parse(self.equations)


OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": Optimizer("input: g_t\nw_t = w_prev - rate * g_t\ncarry: w_prev <- w_t\noutput: w_t", {"rate": 0.1}),
    # torch.optim.SGD with momentum and no dampening; Polyak 1964 has the rate within the momentum
    "momentum": Optimizer(
        "input: g_t\nm_t = momentum * m_prev + g_t\nw_t = w_prev - rate * m_t\n"
        "carry: m_prev <- m_t, w_prev <- w_t\noutput: w_t",
        {"rate": 0.1, "momentum": 0.9},
    ),
    # Kingma & Ba 2015, algorithm 1; p and q are the powers of beta_1 and beta_2
    "adam": Optimizer(
        "input: g_t\n"
        "m_t = beta_1 * m_prev + (1 - beta_1) * g_t\n"
        "v_t = beta_2 * v_prev + (1 - beta_2) * (g_t * g_t)\n"
        "p_t = beta_1 * p_prev\n"
        "q_t = beta_2 * q_prev\n"
        "m_hat = m_t / (1 - p_t)\n"
        "v_hat = v_t / (1 - q_t)\n"
        "u_t = m_hat / (sqrt(v_hat) + epsilon)\n"
        "w_t = w_prev - rate * u_t\n"
        "carry: m_prev <- m_t, v_prev <- v_t, p_prev <- p_t, q_prev <- q_t, w_prev <- w_t\noutput: w_t",
        {"rate": 0.001, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8},
        {"p_prev": 1.0, "q_prev": 1.0},
    ),
}


def find(name: str, constants: Mapping[str, float]) -> Optimizer:
    """The rule of that name, or that the equations `name` are, with these constants in place of its own.

    Raises OptionError for a rule or constant that there is not, CellError for equations that are no rule.
    """
    if "=" in name:
        cell = parse(name)
        if "g_t" not in cell.inputs or cell.states.get("w_prev") != cell.output:
            raise CellError(
                "an update rule has `input: g_t` (the gradient) and carries its output as w_prev (the parameter): "
                "`carry: w_prev <- w_t`, `output: w_t`"
            )
        known = dict.fromkeys(cell.parameters)
        rule = Optimizer(name, {})
    elif name in OPTIMIZERS:
        rule = OPTIMIZERS[name]
        known = dict.fromkeys(rule.constants)
    else:
        raise OptionError(f"there is no optimizer {name!r}{nearest(name, OPTIMIZERS, 'there are')}")
    for constant in constants:
        if constant not in known:
            said = "the update rule" if "=" in name else name
            raise OptionError(f"{said} has no constant {constant!r}{nearest(constant, known, 'it has')}")
    found = {**rule.constants, **constants}
    lacking = [constant for constant in known if constant not in found]
    if lacking:
        raise OptionError(f"the update rule needs {', '.join(lacking)}: give each as a constant, {lacking[0]}=0.1")
    return rule._replace(constants=found)
