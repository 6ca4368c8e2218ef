"""Text to cell: equations are parsed with a whitelist and checked, never evaluated.

Grammar: one equation `name = expression` per line, and the declarations

    input: x_t                  (the default)
    carry: h_prev <- h_t, c_prev <- c_t
    output: h_t

An expression has names, numbers, parentheses, unary minus, @ + - * / and the functions of the operation table.
A sum is one line with its signed terms in order; products are binary and nested to the left; a quotient must be
assigned to a name. `#` begins a comment. Equal expressions are one line. An input may be an expression, too: where it
stands in an equation its value is supplied (`input: x_t, W_xi @ x_t`).
"""

from __future__ import annotations

import ast
import keyword
import math
import sys
import unicodedata
import warnings
from collections.abc import Iterator
from dataclasses import replace

from ..errors import CellError, nearest
from .lines import Cell, Line, Operand, expression
from .ops import FUNCTIONS, OPS

#: Longest text of equations that is read; the longest cell that ships has 2 KiB.
MAX_TEXT = 64 * 1024
_WIDE = 100  # columns of an equation that a message shows
#: How the parts of Python's grammar that are not in ours are written.
_FOREIGN = {
    "Pow": "**", "Mod": "%", "FloorDiv": "//", "BitAnd": "&", "BitOr": "|", "BitXor": "^", "LShift": "<<",
    "RShift": ">>", "Invert": "~", "Not": "not", "And": "and", "Or": "or", "Compare": "a comparison",
    "IfExp": "if … else", "Subscript": "an index […]", "Attribute": "a dot between names", "Lambda": "lambda",
    "Tuple": "a comma here", "List": "a list", "Dict": "a mapping", "Set": "a set", "JoinedStr": "text",
}  # fmt: skip
_DEEP = "the expression is nested too deeply, or holds a character that cannot be read; split it"
_OPERATORS: dict[type, str] = {ast.MatMult: "matvec", ast.Mult: "mul", ast.Div: "div"}


class _Fault(Exception):  # noqa: N818 - never leaves this file: it becomes a sentence of a CellError
    """One fault at a column of the row being read."""

    def __init__(self, message: str, column: int = 0) -> None:
        super().__init__(message)
        self.column = column


_Problems = list[tuple[int, str]]  # row number and message


def _point(number: int, row: str, fault: _Fault) -> tuple[int, str]:
    """The row's number and the message with the equation and a caret under the place."""
    place = f"equation {number}" if number > 0 else "the cell's own equations"
    column = fault.column
    if len(row) > _WIDE:  # only the part round the fault
        begin = max(min(column - _WIDE // 2, len(row) - _WIDE), 0)
        row = ("…" if begin else "") + row[begin : begin + _WIDE] + ("…" if begin + _WIDE < len(row) else "")
        column += (1 if begin else 0) - begin
    return number, f"{place}: {fault}\n    {row}\n    {' ' * column}^"


class _Builder:
    """Collects lines in single-assignment form; each distinct expression becomes one line."""

    def __init__(self, later: dict[str, int], inputs: tuple[str, ...], states: set[str]) -> None:
        self.lines: dict[str, Line] = {}
        self.known: dict[tuple[str, tuple[Operand, ...], tuple[float, ...]], str] = {}
        self.later = later  # every assigned name, for use before assignment
        self.inputs = inputs
        self.states = states
        self.name = self.row = ""
        self.start = 0  # column of the expression within the row

    def assign(self, name: str, text: str, start: int, row: str) -> None:
        """Add the lines of `name = text`."""
        self.name, self.row, self.start = name, row, start
        line = self._line(_tree(text, start), text, top=True)
        same = self._same(line) if isinstance(line, Line) else line
        if isinstance(line, Line) and same is None:
            self._add(line._replace(name=name))
        elif same is not None:
            self._add(Line(name, "copy", (same,)))

    def value(self, text: str, start: int, row: str) -> Operand:
        """The operand that stands for an expression, its lines added where they are new."""
        self.row, self.start = row, start
        return self._operand(_tree(text, start), text)

    @staticmethod
    def _key(line: Line) -> tuple[str, tuple[Operand, ...], tuple[float, ...]]:
        return line.op, line.operands, line.constants

    def _same(self, line: Line) -> str | None:
        """The line, or the input, that has the value of an unnamed line."""
        text = expression(line)
        return self.known.get(self._key(line), text if text in self.inputs else None)

    def _add(self, line: Line) -> None:
        self.lines[line.name] = line
        self.known.setdefault(self._key(line), line.name)

    def _column(self, node: ast.expr, text: str) -> int:
        return self.start + len(text.encode()[: node.col_offset].decode())

    def _operand(self, node: ast.expr, text: str) -> Operand:
        line = self._line(node, text)
        if not isinstance(line, Line):
            return line
        name = self._same(line)
        if name is None:
            name = expression(line)
            self._add(line._replace(name=name))
        return name

    def _line(self, node: ast.expr, text: str, top: bool = False) -> Line | Operand:
        """The (unnamed) line or the plain operand that `node` stands for."""
        column = self._column(node, text)
        match node:
            case ast.Name(id=name):
                if name in self.later and name not in self.lines:
                    place = "in its own equation" if name == self.name else f"equation {self.later[name]} gives it one"
                    raise _Fault(f"{name} is read before it has a value ({place})", column)
                if name in FUNCTIONS:
                    raise _Fault(f"{name} is a function; write {name}(…)", column)
                if name.endswith("_prev") and name not in self.states and name not in self.inputs:
                    raise _Fault(f"{name} is read but the carry is open: declare `carry: {name} <- …`", column)
                return name
            case ast.Constant(value=bool() | complex() | str() | bytes() | None):
                raise _Fault("only names and numbers can stand here", column)
            case ast.Constant(value=int() | float() as value):
                if not abs(value) <= sys.float_info.max:
                    raise _Fault("this number is too large for a float", column)
                return float(value)
            case ast.UnaryOp(op=ast.UAdd(), operand=inner):
                return self._line(inner, text, top)
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                operand = self._operand(inner, text)
                return Line("", "neg", (operand,)) if isinstance(operand, str) else -operand
            case ast.BinOp(op=ast.Add() | ast.Sub()):
                return self._sum(node, text)
            case ast.BinOp(op=operator) if type(operator) in _OPERATORS:
                return self._product(node, text, column, top)
            case ast.Call():
                return self._call(node, text, column)
        kind = type(getattr(node, "op", node)).__name__
        raise _Fault(f"{_FOREIGN.get(kind, kind)} is not in the grammar (names, numbers, + - * / @, functions)", column)

    def _sum(self, node: ast.expr, text: str) -> Line:
        terms: list[tuple[float, ast.expr]] = []
        while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            terms.append((1.0 if isinstance(node.op, ast.Add) else -1.0, node.right))
            node = node.left
        terms.append((1.0, node))
        signs, operands = [], []
        for sign, term in reversed(terms):
            while isinstance(term, ast.UnaryOp) and isinstance(term.op, ast.USub):
                sign, term = -sign, term.operand
            operand = self._operand(term, text)
            if isinstance(operand, float) and math.copysign(1, operand) < 0:
                sign, operand = -sign, -operand
            signs.append(sign)
            operands.append(operand)
        return Line("", "add", tuple(operands), tuple(signs))

    def _product(self, node: ast.BinOp, text: str, column: int, top: bool) -> Line:
        op = _OPERATORS[type(node.op)]
        if op == "div" and not top:
            raise _Fault("give this quotient a name of its own: `q = a / b` in an equation before", column)
        operands = self._operand(node.left, text), self._operand(node.right, text)
        if op == "matvec":
            matrix, vector = operands
            if not isinstance(matrix, str) or matrix in self.lines or matrix in (*self.states, *self.inputs):
                raise _Fault("the left side of @ must be a weight matrix", column)
            if not isinstance(vector, str):
                raise _Fault("the right side of @ must be a vector", self._column(node.right, text))
        return Line("", op, operands)

    def _call(self, node: ast.Call, text: str, column: int) -> Line:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name not in FUNCTIONS:
            said = nearest(name, sorted(FUNCTIONS), "there are")
            raise _Fault(f"unknown function {name or ast.unparse(node.func)!r}{said}", column)
        if node.keywords or any(isinstance(a, ast.Starred) for a in node.args):
            raise _Fault(f"{name} takes plain operands only, by position", column)
        count = len(node.args)
        for op in (op for op in OPS.values() if op.function == name):
            least = sum(1 for _, default in op.constants if default is None)
            arity = max(count, 1) if op.arity is None else op.arity
            if arity + least <= count <= arity + len(op.constants):
                operands = tuple(self._operand(a, text) for a in node.args[:arity])
                given = tuple(self._number(a, text) for a in node.args[arity:])
                rest = tuple(float(d) for _, d in op.constants[len(given) :] if d is not None)
                return Line("", op.name, operands, given + rest)
        wanted = " or ".join(dict.fromkeys(_signature(op.name) for op in OPS.values() if op.function == name))
        raise _Fault(f"{name} has {count} argument{'s' * (count != 1)}; write {wanted}", column)

    def _number(self, node: ast.expr, text: str) -> float:
        value = self._line(node, text)
        if not isinstance(value, float):
            raise _Fault("a number must stand here", self._column(node, text))
        return value


def _signature(name: str) -> str:
    op = OPS[name]
    operands = ["a", "b", "c"][: op.arity] if op.arity else ["a", "…"]
    return f"{op.function}({', '.join(operands + [c for c, _ in op.constants])})"


def _tree(text: str, start: int) -> ast.expr:
    if not text:
        raise _Fault("nothing stands here; write an expression", start)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's advice on its own syntax ('1or x') is not for us
            return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        column = start + min(max((error.offset or 1) - 1, 0), len(text))
        raise _Fault(f"this cannot be read as an equation ({error.msg.split(';')[0]})", column) from None
    except (RecursionError, MemoryError, ValueError):
        raise _Fault(_DEEP, start) from None


def _rows(text: str, first: int) -> Iterator[tuple[int, str]]:
    for count, row in enumerate(text.splitlines(), first):
        row = row.split("#", 1)[0].rstrip()
        if row.strip():
            yield count, row


def _is_name(text: str) -> bool:
    return text.isidentifier() and not keyword.iskeyword(text) and text not in FUNCTIONS


def _split(text: str) -> Iterator[tuple[str, int]]:
    """Parts between the commas that stand outside parentheses, with their columns."""
    depth = begin = 0
    for at, char in enumerate(text + ","):
        depth += (char == "(") - (char == ")")
        if char == "," and depth <= 0:
            part = text[begin:at]
            yield part.strip(), begin + len(part) - len(part.lstrip())
            begin = at + 1


def parse(text: str, first: int = 1) -> Cell:
    """Read and check a cell's equations. first: the number that messages give the first row.

    Raises CellError with every fault: unknown function, a second assignment, a name read before it has a value, an
    open carry, an operator outside the grammar; each with the equation and a caret under the place.

    >>> cell = parse("h_t = tanh(W_h @ h_prev + W_x @ x_t)\\ncarry: h_prev <- h_t\\noutput: h_t")
    >>> [line.name for line in cell.lines]
    ['W_h @ h_prev', 'W_x @ x_t', 'W_h @ h_prev + W_x @ x_t', 'h_t']
    """
    if len(text) > MAX_TEXT:
        raise CellError(f"the equations have {len(text)} characters; at most {MAX_TEXT} are read")
    problems: _Problems = []
    equations, declared = _sorted(_rows(text, first), problems)
    inputs = _inputs(declared, problems)
    carry = list(_carry(declared, inputs, problems))
    states = {state for state, *_ in carry}
    given = {name: count for count, _, name, *_ in reversed(equations)}  # the first of two assignments
    builder = _Builder(given, inputs, states)
    for count, row, name, right, start in equations:
        column = len(row) - len(row.lstrip())
        try:
            if name in builder.lines:
                before = f"first in equation {given[name]}" if given[name] > 0 else "the cell has it already"
                raise _Fault(f"{name} is assigned twice ({before}); choose another name", column)
            if name in states or name in inputs or name in FUNCTIONS:
                kind = "a carried state" if name in states else "an input" if name in inputs else "a function"
                raise _Fault(f"{name} is {kind}; an equation cannot assign it", column)
            builder.assign(name, right, start, row)
        except RecursionError:
            problems.append(_point(count, row, _Fault(_DEEP, start)))
        except _Fault as fault:
            problems.append(_point(count, row, fault))
            builder.lines.setdefault(name, Line(name, "copy", (0.0,)))  # so that one fault is told once
    targets = []
    for state, target, start in carry:
        count, row, *_ = declared["carry"]
        try:
            value = builder.value(target, start, row)
            if value not in builder.lines and value not in inputs:
                raise _Fault(f"the carry is open: no equation gives {target} a value", start)
            targets.append((state, str(value)))
        except _Fault as fault:
            problems.append(_point(count, row, fault))
    output = _output(declared, builder, problems)
    problems += _matrices(builder)
    if problems:
        raise CellError(*(message for _, message in sorted(problems, key=lambda problem: problem[0])))
    cell = Cell(tuple(builder.lines.values()), tuple(targets), output, inputs)
    # an input that is an expression has no need of the lines in it
    live = cell.closure((*(x.name for x in cell.lines if x.assigned), *cell.states.values()))
    return replace(cell, lines=tuple(x for x in cell.lines if x.name in live))


_Equation = tuple[int, str, str, str, int]  # row number, row, name, right side, column of the right side
_Declared = dict[str, tuple[int, str, str, int]]  # row number, row, what follows the colon, its column


def _sorted(rows: Iterator[tuple[int, str]], problems: _Problems) -> tuple[list[_Equation], _Declared]:
    """The rows as equations and declarations."""
    equations: list[_Equation] = []
    declared: _Declared = {}
    for count, row in rows:
        column = len(row) - len(row.lstrip())
        head, mark, rest = row.partition(":")
        what = head.strip()
        if mark and what in ("input", "carry", "output"):
            if what in declared:
                fault = _Fault(f"{what} is declared twice; write all of it in one row", column)
                problems.append(_point(count, row, fault))
            declared[what] = count, row, rest, len(head) + 1
            continue
        name, mark, right = row.partition("=")
        name = unicodedata.normalize("NFKC", name.strip())  # as Python reads the names on the right
        if not mark or not name.isidentifier() or keyword.iskeyword(name) or right.startswith("="):
            fault = _Fault("expected `name = expression`, or input:, carry: or output:", column)
            problems.append(_point(count, row, fault))
        else:
            start = row.index("=") + 1 + len(right) - len(right.lstrip())
            equations.append((count, row, name, right.strip(), start))
    return equations, declared


def _inputs(declared: _Declared, problems: _Problems) -> tuple[str, ...]:
    if "input" not in declared:
        return ("x_t",)
    count, row, rest, offset = declared["input"]
    carry = declared["carry"][2] if "carry" in declared else ""
    states = {part.partition("<-")[0].strip() for part, _ in _split(carry)}
    found: list[str] = []
    for part, column in _split(rest):
        name = _input(unicodedata.normalize("NFKC", part), states)
        if name is None or name in found:
            what = (
                f"the input {name} stands twice"
                if name
                else f"an input must be a name, or an expression; found {part!r}"
            )
            problems.append(_point(count, row, _Fault(what, offset + column)))
        else:
            found.append(name)
    return tuple(found)


def _input(text: str, states: set[str]) -> str | None:
    """An input as it is named: a name, or an expression, canonically; None where the text is neither."""
    if _is_name(text):
        return text
    try:
        value = _Builder({}, (), states).value(text, 0, text)
    except (_Fault, RecursionError):
        return None
    return value if isinstance(value, str) and not value.isidentifier() else None


def _carry(declared: _Declared, inputs: tuple[str, ...], problems: _Problems) -> Iterator[tuple[str, str, int]]:
    """(state, target text, column) of each pair that the carry declares."""
    if "carry" not in declared:
        return
    count, row, rest, offset = declared["carry"]
    seen: set[str] = set()
    for part, column in _split(rest):
        state, mark, target = (p.strip() for p in part.partition("<-"))
        state = unicodedata.normalize("NFKC", state)
        if not part:
            continue
        if not mark or not _is_name(state) or not target or state in seen or state in inputs:
            message = f"{state} is carried twice" if state in seen else "expected `state <- line`"
            message = f"{state} is an input; it cannot be carried" if state in inputs else message
            problems.append(_point(count, row, _Fault(message, offset + column)))
        else:
            behind = part.partition("<-")[2]
            yield state, target, offset + column + part.index("<-") + 2 + len(behind) - len(behind.lstrip())
        seen.add(state)


def _matrices(builder: _Builder) -> _Problems:
    """Names that are read both as a matrix and as a vector."""
    products = {line.operands[0]: line.name for line in builder.lines.values() if line.op == "matvec"}
    return [
        (
            sys.maxsize,
            f"{name} is a matrix in `{products[name]}`, but `{line.name}` reads it as a vector; write {name} @ …",
        )
        for line in builder.lines.values()
        for name in line.operands[1 if line.op == "matvec" else 0 :]
        if name in products
    ]


def _output(declared: _Declared, builder: _Builder, problems: _Problems) -> str:
    lines = [name for name, line in builder.lines.items() if line.assigned]
    count, row, rest, offset = declared.get("output", (0, "", "", 0))
    name = unicodedata.normalize("NFKC", rest.strip())
    if not lines and name not in builder.inputs:
        if not problems:
            problems.append((0, "the cell has no equations"))
        return ""
    if "output" not in declared:
        return "h_t" if "h_t" in builder.lines else lines[-1]
    if name not in builder.lines and name not in builder.inputs:
        column = offset + len(rest) - len(rest.lstrip())
        fault = _Fault(f"the output {name} is no line of the cell{nearest(name, lines)}", column)
        problems.append(_point(count, row, fault))
    return name
