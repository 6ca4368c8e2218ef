"""Texts of cells over the whole grammar, written in every way that it allows: the parser accepts each of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from lstm_trace.cell.composites import BUILT_IN, function, head
from lstm_trace.cell.lines import Function
from lstm_trace.cell.ops import OPS

#: Numbers in every form that the grammar takes, among them the largest and the smallest.
NUMBERS = [
    "0", "00", "1", "2.", ".5", "0.25", "1e3", "2E-3", "1_000", "0x1F", "0b11", "0o17", "1e16", "123456789012345678901",
    "0.1", "1e-5", "0.30000000000000004", "5e-324", "1e-400", "1.7976931348623157e308", "4.9406564584124654e-324",
]  # fmt: skip
SIGNS = ["", "", "", "", "-", "+", "--", "-+", "+-", "- -", "- ( -", "+(", "-(", "--("]
SPACES = [" ", "", "  ", "\t"]
#: Names as they are typed, of several scripts; two that are typed differently may be one name (µ and μ, ﬁ and fi).
VECTORS = ["a", "b", "w_ci", "µ_1", "μ_1", "ﬁ", "fi", "ß", "α_t", "名", "_", "d2", "a__b"]
MATRICES = ["W", "W_xi", "Ω"]


@dataclass
class _Writer:
    """Draws expressions. vectors: the names that can be read so far; plain: without `concat` of several operands."""

    draw: Any
    plain: bool
    vectors: list[str] = field(default_factory=lambda: [*VECTORS, "x_t"])
    functions: list[Function] = field(default_factory=list)

    def pick(self, *choices: str) -> str:
        return str(self.draw(st.sampled_from(choices)))

    def number(self) -> str:
        return self.pick("", "", "-", "+", "- -", "-+") + self.pick(*NUMBERS)

    def signed(self, text: str) -> str:
        """`text`, an atom, with signs before it."""
        sign = self.pick(*SIGNS)
        return sign + text + ")" * sign.count("(")

    def atom(self, depth: int) -> str:
        kind = self.pick("name", "name", "number", "group", "call") if depth else self.pick("name", "name", "number")
        space = self.pick(*SPACES)
        if kind == "name":
            return self.pick(*self.vectors)
        if kind == "number":
            return self.pick(*NUMBERS)
        if kind == "group":
            return f"({space}{self.expression(depth - 1)}{space})"
        if self.draw(st.integers(0, 2)) == 0:
            function = self.draw(
                st.sampled_from([*self.functions, *(f for f in BUILT_IN.values() if f.name != "ones")])
            )
            inside = [self.expression(depth - 1) for _ in range(len(function.arguments) - len(function.defaults))]
            inside += [self.number() for _ in range(self.draw(st.integers(0, len(function.defaults))))]
            return f"{function.name}{space}({space}{f'{space},'.join(inside)}{space})"
        op = OPS[self.pick(*(name for name, op in OPS.items() if op.function and op.width != "outer"))]
        count = op.arity or (1 if self.plain else self.draw(st.integers(1, 3)))
        least = sum(1 for _, default in op.constants if default is None)
        numbers = self.draw(st.integers(least, len(op.constants)))
        inside = [self.expression(depth - 1) for _ in range(count)] + [self.number() for _ in range(numbers)]
        return f"{op.function}{space}({space}{f'{space},'.join(inside)}{space})"

    def expression(self, depth: int) -> str:
        space = self.pick(*SPACES)
        text = self.signed(self.atom(depth))
        for _ in range(self.draw(st.integers(0, 3)) if depth else 0):
            operator = self.pick("+", "-", "*", "@", "+", "-")
            if operator == "@":  # the left side is a matrix: it begins a term
                operator, right = "+", f"{self.pick(*MATRICES)}{space}@{space}{self.vector(depth - 1)}"
            else:
                right = self.signed(self.atom(depth - 1))
            text += f"{space}{operator}{space}{right}"
        return text

    def vector(self, depth: int) -> str:
        """What a matrix multiplies."""
        if depth <= 0 or self.draw(st.booleans()):
            return self.pick("", "", "+", "-", "--") + self.pick(*self.vectors)
        return f"({self.pick(*self.vectors)} {self.pick('+', '-', '*')} {self.expression(depth - 1)})"


#: Functions that a cell may define: with a default value, with a name that the table has, with others within.
DEFINITIONS = [
    "f(z, k=2) = z * g(k * z) + k",
    "g(ﬁ) = tanh(ﬁ) / (1 + mish(-ﬁ))",
    "silu ( z ) = -z",
    "同(a, b) = max(a, b) - a",
]


@st.composite
def texts(draw: Any, plain: bool = False, depth: int = 3) -> str:
    """The text of a cell that the parser accepts. plain: with every vector of width 1, its operands fit each other."""
    writer = _Writer(draw, plain)
    definitions = DEFINITIONS if draw(st.booleans()) else []
    writer.functions = [function(said, d[said.start :]) for d in definitions if (said := head(d))]
    states = draw(st.sampled_from([[], ["s_prev"], ["ℎ_prev", "s_prev"]]))
    writer.vectors += states * 3
    names, rows = [], []
    supplied = ""
    if draw(st.integers(0, 3)) == 0:
        supplied = f"{writer.pick(*writer.vectors)} {writer.pick('+', '-', '*')} {writer.expression(1)}"
        supplied = writer.pick(supplied, f"tanh({supplied})")
    for name in ("z", "v_1", "é", "ŋ_t", "input")[: draw(st.integers(1, 5))]:
        left = writer.expression(depth)
        if supplied and draw(st.booleans()):
            left = f"({supplied}) * ({left})"
        if draw(st.integers(0, 4)) == 0:
            left = f"({left}){writer.pick(*SPACES)}/{writer.pick(*SPACES)}{writer.signed(writer.atom(depth - 1))}"
        rows.append(f"{writer.pick('', '  ')}{name}{writer.pick(*SPACES)}={writer.pick(*SPACES)}{left}")
        names.append(name)
        writer.vectors += [name, name]
    if draw(st.booleans()):
        rows.insert(draw(st.integers(0, len(rows))), writer.pick("", "# a comment, with = and (", "   \t"))
    if states:
        targets = [writer.pick(*names, f"tanh({names[0]} + {writer.pick(*names)})") for _ in states]
        rows.append("carry: " + ", ".join(f"{s} <- {target}" for s, target in zip(states, targets, strict=True)))
    if draw(st.booleans()):
        rows.append(f"output: {writer.pick(*names)}")
    if supplied:
        rows.insert(0, f"input: x_t, {supplied}")
    for definition in draw(st.permutations(definitions)):
        rows.insert(draw(st.integers(0, len(rows))), definition)
    return writer.pick("\n", "\r\n").join(rows)
