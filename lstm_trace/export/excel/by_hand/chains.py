"""Lines as they stand on a blackboard: what is multiplied, the sign, the result, and on to what is done with that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ....cell.lines import Line, Operand, number
from ....cell.network import Stage
from ....cell.ops import OPS
from ....formulas.symbols import sign

#: Operations that stand between their two operands.
BETWEEN = {"matvec": "×", "vecmat": "×", "mul": "⊙", "div": "÷", "greater": ">"}
#: Those that may stand as terms of a sum, each followed by its own result.
_TERMS = ("matvec", "vecmat", "mul", "div")
#: A chain goes on with its last result as long as it has no more values than this.
LONGEST = 12


class Piece(NamedTuple):
    """What stands in a chain: a `matrix`, a `vector`, or a text: a `sign`, or a `symbol` for a matrix.

    name: of the value, or the text. fresh: whether it is computed here. flipped: whether a matrix stands transposed.
    """

    kind: str
    name: str
    fresh: bool = False
    flipped: bool = False

    @property
    def is_value(self) -> bool:
        """Whether it has numbers."""
        return self.kind in ("matrix", "vector")


Chain = tuple[Piece, ...]
#: What is left free between two chains: a sign and a value.
GAP = (Piece("sign", ""), Piece("vector", ""))


def chains(stage: Stage, lines: Sequence[Line], alone: frozenset[str] = frozenset()) -> list[Chain]:
    """The lines of a group as chains: a sum with the products that are its terms, then what is done with its result.

    Args:
        stage: whose lines they are.
        lines: those of a group, in computing order.
        alone: lines of which only the result is shown, since what they read is not there.

    Returns:
        The chains in computing order; each begins with values that stand in an earlier one, or elsewhere.
    """
    own = {line.name: line for line in lines}
    terms = {line.name for line in lines if line.name not in alone and _is_term(stage, line, own, alone)}
    found: list[Chain] = []
    for line in lines:
        if line.name in terms:
            continue
        chain = (
            _joined(_spelled(line, own, terms)) if line.name not in alone else (Piece("vector", line.name, fresh=True),)
        )
        last = found[-1] if found else ()
        goes_on = last and chain[0] == last[-1]._replace(fresh=False) and _values(last) + _values(chain) <= LONGEST + 1
        if goes_on:
            found[-1] = (*last, *chain[1:])
        else:
            found.append(chain)
    return found


def _joined(chain: Chain) -> Chain:
    """The chain with signs that follow each other, `1` and `−`, as one."""
    found: list[Piece] = []
    for piece in chain:
        if found and found[-1].kind == piece.kind == "sign":
            piece = Piece("sign", f"{found.pop().name} {piece.name}")
        found.append(piece)
    return tuple(found)


def _values(chain: Chain) -> int:
    return sum(piece.is_value for piece in chain)


def _is_term(stage: Stage, line: Line, own: dict[str, Line], alone: frozenset[str]) -> bool:
    """Whether the only line that reads this one is a sum of the same group."""
    readers = stage.cell.readers.get(line.name, ())
    if line.op not in _TERMS or len(readers) != 1:
        return False
    (reader,) = readers
    return reader.op == "add" and reader.name in own and reader.name not in alone


def _spelled(line: Line, own: dict[str, Line], terms: set[str]) -> Chain:
    """One line: its operands with the signs between them, and its result."""

    def operand(o: Operand) -> Chain:
        if not isinstance(o, str):
            return (Piece("sign", number(o)),)
        return _spelled(own[o], own, terms) if o in terms else (Piece("vector", o),)

    def text(written: str) -> Piece:
        return Piece("sign", written)

    result = Piece("vector", line.name, fresh=True)
    if line.op == "add":
        parts: list[Piece] = []
        for k, (sign_, term) in enumerate(zip(line.constants, line.operands, strict=True)):
            parts += [text("−" if sign_ < 0 else "+")] if k or sign_ < 0 else []
            parts += operand(term)
        return (*parts, text("Σ =" if terms & set(line.reads) else "="), result)  # the last product is no sum
    if line.product:
        matrix, vector = line.product
        return (
            Piece("matrix", matrix, flipped=line.op == "vecmat"), text(BETWEEN[line.op]), *operand(vector), text("="),
            result,
        )  # fmt: skip
    if line.op in BETWEEN:
        left, right = map(operand, line.operands)
        return (*left, text(BETWEEN[line.op]), *right, text("="), result)
    if line.op == "neg":
        return (text("−"), *operand(line.operands[0]), text("="), result)
    if line.op == "copy":
        return (*operand(line.operands[0]), text("="), result)
    if line.op == "slice":
        begin, end = map(int, line.constants)
        return (*operand(line.operands[0]), text(f"[{begin}:{end}] ="), result)
    return _function(line, tuple(map(operand, line.operands)), result)


def _function(line: Line, operands: tuple[Chain, ...], result: Piece) -> Chain:
    """A named function: between its only operand and the result; several operands stand in parentheses."""
    name = sign(line.op)[1]
    defaults = tuple(value for _, value in OPS[line.op].constants)
    constants = () if line.constants == defaults else tuple(map(number, line.constants))
    if len(operands) == 1:
        name += f"({', '.join(constants)})" if constants else ""
        return (*operands[0], Piece("sign", name), result)
    parts: list[Piece] = [Piece("sign", f"{name} (")]
    for k, operand in enumerate(operands):
        parts += ([Piece("sign", ";")] if k else []) + list(operand)
    return (*parts, Piece("sign", ") ="), result)
