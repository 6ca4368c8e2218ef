"""From an expression to lines: parsed with a whitelist, never evaluated. See `parse` for the grammar.

Python's own parser makes the tree; elements outside our grammar are rejected, with a caret below the position.
"""

from __future__ import annotations

import ast
import re
import sys
import warnings
from collections.abc import Sequence
from copy import copy
from typing import Any

from ..base.packaged import packaged
from ..errors import nearest
from .composites import BUILT_IN, Functions
from .lines import Function, Line, Operand, SourcePlace, expression
from .on_paper import LETTERS, as_typed, told
from .ops import FUNCTIONS, OPS

GRAMMAR = "names, numbers, + - * / @ > <, z[2:5], functions"
#: Descriptions of the elements of Python's grammar that are not in ours.
FOREIGN: dict[str, str] = packaged("cell/words.toml")["foreign"]
DEEP = "the expression is nested too deeply, or holds a character that cannot be read; split it"
#: Maximum depth of Python's tree, which has one level per term of a sum. Well below what its stack has room for, so
#: that a text that was read once can be read again anywhere.
MAX_LEVELS = 1000
UNREADABLE = "this cannot be read as an equation"
#: How to get what is not in the grammar.
ROW = "e @ {0} is a row of {1}, where e is 1 at that row and 0 elsewhere"


class SyntaxFault(Exception):  # noqa: N818 - it never leaves the parser: it becomes a sentence of a CellError
    """One fault at a column of the row being read."""

    def __init__(self, message: str, column: int = 0, inner: bool = False) -> None:
        super().__init__(message)
        self.column = column
        self.inner = inner  # whether it already names the definition in which it was found


class Unreadable(SyntaxFault):
    """A text that is not in Python's grammar."""


def syntax(text: str, start: int) -> ast.expr:
    """Python's tree of an expression that begins at column `start`. Raises SyntaxFault if it is invalid or too deep."""
    if not text:
        raise SyntaxFault("an expression is missing here", start)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's warnings about its own syntax ('1or x') do not apply
            tree = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        # Python gives column 0 for an end that comes too early
        at = len(text) if error.offset == 0 else min((error.offset or 1) - 1, len(text))
        raise Unreadable(f"{UNREADABLE} ({error.msg.split(';')[0]})", start + at) from None
    except (RecursionError, MemoryError, ValueError):
        raise SyntaxFault(DEEP, start) from None
    if len(text) < MAX_LEVELS // 2:  # a level takes a character
        return tree
    level: list[ast.AST] = [tree]
    for _ in range(MAX_LEVELS):
        level = [inner for node in level for inner in ast.iter_child_nodes(node)]
        if not level:
            return tree
    raise SyntaxFault(DEEP, start)


def operator_offset(node: ast.expr, text: str) -> int:
    """Offset of the operation in the UTF-8 text of an expression: the sign, the function, the bracket."""
    match node:
        case ast.BinOp(left=left, right=right) | ast.Compare(left=left, comparators=[right]):
            return right.col_offset - len(text.encode()[left.end_col_offset : right.col_offset].lstrip(b" \t)"))
        case ast.Subscript(value=value):
            return len(text.encode()) - len(text.encode()[value.end_col_offset :].lstrip(b" \t)"))
    return node.col_offset


def signed(node: ast.expr) -> tuple[float, ast.expr]:
    """A term without its leading signs, and the sign that they amount to."""
    sign = 1.0
    while isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd | ast.USub):
        sign, node = -sign if isinstance(node.op, ast.USub) else sign, node.operand
    return sign, node


#: Maximum nesting of operations, a sum counting as one; see `MAX_LEVELS`.
MAX_DEPTH = 100
#: Maximum nesting of calls of composite functions; for a whole cell, the number of operations that calls expand into,
#: and the total length of the names of their lines.
MAX_OPEN, MAX_OPERATIONS, MAX_NAMES = 20, 10_000, 1 << 17
#: Maximum number of units in a vector that a slice may refer to.
MAX_UNITS = 1 << 24
_OPERATORS: dict[type, str] = {ast.MatMult: "matvec", ast.Mult: "mul", ast.Div: "div"}


class Builder:
    """Collects lines in single-assignment form; each distinct expression becomes one line."""

    def __init__(self, later: dict[str, int], inputs: tuple[str, ...], states: set[str], functions: Functions) -> None:
        self.lines: dict[str, Line] = {}
        self.known: dict[tuple[Any, ...], str] = {}  # operation, operands and constants to their line
        self.later = later  # every assigned name, to detect use before assignment
        self.inputs = inputs
        self.states = states
        # names inside inputs that are expressions: such an input is supplied whole, and may refer to another cell's
        # states
        self.mentioned = {word for text in inputs if not text.isidentifier() for word in re.findall(r"\w+", text)}
        self.places: dict[str, SourcePlace] = {}  # of the lines
        self.name = ""
        self.row = (0, "")  # the row being read, with its number
        self.start = 0  # column of the expression within the row
        self.read: dict[str, int] = {}  # the columns of its operands so far
        self.call: int | None = None  # column of the outermost call whose body is being read
        self.depth = 0  # of the operand being read
        self.functions = functions
        self.open: list[str] = []  # functions whose bodies are being read, the innermost last
        self.arguments: dict[str, Operand] = {}  # of the innermost

    def assign(self, name: str, text: str, start: int, row: tuple[int, str]) -> None:
        """Add the lines of `name = text`, which begins at a column of a row."""
        self.name = name
        node = self._begin(text, start, row)
        line = self._line(node, text, top=True)
        if not isinstance(line, Line):
            line = Line("", "copy", (line,))
        elif (same := self._same(line)) is not None:
            line = Line("", "copy", (same,))
        self._add(line._replace(name=name), node, text)

    def _begin(self, text: str, start: int, row: tuple[int, str]) -> ast.expr:
        """Python's tree of the text read from now on; if it is written as on paper, the message says how to type it."""
        self.row, self.start, self.depth, self.read = row, start, 0, {}
        if LETTERS.search(text) and (fault := self.on_paper(text)):
            raise fault
        try:
            return syntax(text, start)
        except Unreadable as fault:
            raise self.on_paper(text) or fault from None

    def on_paper(self, text: str, at: int | None = None, left: str = "") -> SyntaxFault | None:
        """A message about an expression written as on paper (`told`), with what to type if that can be parsed.

        left: the left side of an equation, if that is also written as on paper; the text begins with it.
        """
        slip = told(left + text, at)
        if slip is None:
            return None
        typed = as_typed(text) or (text if left else "")
        name = f"{as_typed(left.rstrip('=: '))} = " if left else ""
        advice = f"; type `{name}{typed}`" if typed and self._reads(typed) else ""
        return SyntaxFault(f"{UNREADABLE} ({slip.said}){advice}", self.start + slip.at)

    def _reads(self, text: str) -> bool:
        """Whether an expression can be parsed, assuming that all names have values except states that are not
        carried.
        """
        named = (name for name in (*self.lines, *self.later) if name.isidentifier())
        states = self.states or set(re.findall(r"\w+_prev\b", text))
        trial = Builder({}, (*self.inputs, *named), states, Functions(self.functions))
        trial.open, trial.arguments = self.open, self.arguments
        try:
            line = trial._line(syntax(text, 0), text, top=True)
        except (SyntaxFault, RecursionError):
            return False
        every = (one for one in (line, *trial.lines.values()) if isinstance(one, Line) and one.op == "memvec")
        left = (trial.lines.get(str(one.operands[0])) for one in every)
        return not any(one and one.product for one in left)  # a vector, and no computed matrix

    def value(self, text: str, start: int, row: tuple[int, str]) -> Operand:
        """The operand that an expression evaluates to; its new lines are added."""
        return self._operand(self._begin(text, start, row), text)

    def gathered(self, text: str, start: int, row: tuple[int, str]) -> tuple[tuple[str, ...], ...]:
        """The terms of a sum over all steps; its new lines are added."""
        node, nodes = self._begin(text, start, row), []
        while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            nodes.append(node.right)
            node = node.left
        terms: list[tuple[str, ...]] = []
        for term in [node, *reversed(nodes)]:
            parts = [term]
            match term:
                case ast.Call(func=ast.Name(id="outer"), args=[left, right], keywords=[]):
                    parts = [left, right]
            names = [value for part in parts if isinstance(value := self._operand(part, text), str)]
            if len(names) < len(parts) or all(map(self._weight, names)):  # a bias may be part of a product
                said = "only values that the cell computes or is fed are gathered"
                raise SyntaxFault(said, self._at(term.col_offset, text))
            terms.append(tuple(names))
        return tuple(terms)

    def _same(self, line: Line) -> str | None:
        """The line, or the input, with the same value as an unnamed line."""
        text = expression(line)
        return self.known.get(line[1:4], text if text in self.inputs else None)

    def _add(self, line: Line, node: ast.expr, text: str) -> None:
        if self.open:
            self.functions.names += len(line.name)
        self.lines[line.name] = line
        self.known.setdefault(line[1:4], line.name)
        operands = {name: self.read[name] for name in line.reads if name in self.read}
        self.places[line.name] = SourcePlace(*self.row, self._place(operator_offset(node, text), text), operands)

    def _place(self, offset: int, text: str) -> int:
        """The column of a UTF-8 offset; everything inside a call has the column of the call."""
        return self._at(offset, text) if self.call is None else self.call

    def _at(self, offset: int, text: str) -> int:
        return self.start + len(text.encode()[:offset].decode())

    def _operand(self, node: ast.expr, text: str) -> Operand:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise SyntaxFault(DEEP, self._at(node.col_offset, text))
        operand = self._line(node, text)
        self.depth -= 1
        if isinstance(operand, Line):
            line, name = operand, self._same(operand)
            operand = expression(line) if name is None else name
            if name is None:
                self._add(line._replace(name=operand), node, text)
        if isinstance(operand, str):
            self.read[operand] = self._place(node.col_offset, text)
        return operand

    def _line(self, node: ast.expr, text: str, top: bool = False) -> Line | Operand:
        """The (unnamed) line or plain operand that `node` represents."""
        while isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd):
            node = node.operand
        column = self._at(node.col_offset, text)
        self.functions.operations += bool(self.open)
        if self.functions.operations > MAX_OPERATIONS or self.functions.names > MAX_NAMES:
            raise SyntaxFault("the functions of this cell expand into too many operations", column)
        match node:
            case ast.Name(id=name) if name in self.arguments:
                return self.arguments[name]
            case ast.Name(id=name) if self.open and name not in FUNCTIONS:
                said = f"{name} is not an argument of {self.open[-1]}; a definition reads its arguments only"
                raise SyntaxFault(said, column)
            case ast.Name(id=name):
                if name in self.later and name not in self.lines:
                    back = f"{name.removesuffix('_t')}_prev"
                    rest = text.encode()[node.end_col_offset :].decode()
                    if back in self.states and re.match(r"\s*-\s*1(?!\w)", rest):
                        what = f"{name} - 1 is one less than {name}"
                        raise SyntaxFault(f"{what}; the previous step's state is written {back}", column)
                    place = "in its own equation" if name == self.name else f"equation {self.later[name]} gives it one"
                    raise SyntaxFault(f"{name} is read before it has a value ({place})", column)
                if name in FUNCTIONS:
                    raise SyntaxFault(f"{name} is a function; write {name}(…)", column)
                known = (*self.states, *self.inputs, *self.lines, *self.mentioned)
                if name.endswith("_prev") and name not in known:
                    self.mentioned.add(name)  # so that it is reported once
                    raise SyntaxFault(f"{name} is read but the carry is open: declare `carry: {name} <- …`", column)
                return name
            case ast.Constant(value=bool() | complex() | str() | bytes() | None):
                raise SyntaxFault("only names and numbers are allowed here", column)
            case ast.Constant(value=int() | float() as value):
                if not abs(value) <= sys.float_info.max:
                    raise SyntaxFault("this number is too large for a float", column)
                return float(value)
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                operand = self._operand(inner, text)
                # zero has no sign, as in mathematics: -0.0 and 0.0 are equal, but some arithmetics would distinguish
                # them
                return Line("", "neg", (operand,)) if isinstance(operand, str) else -operand or 0.0
            case ast.BinOp(op=ast.Add() | ast.Sub()):
                return self._sum(node, text)
            case ast.BinOp(op=operator) if type(operator) in _OPERATORS:
                return self._product(node, text, column, top)
            case ast.Call():
                return self._call(node, text, column)
            case ast.Compare(ops=[ast.Gt() | ast.Lt() as operator], comparators=[right]):
                sides = self._operand(node.left, text), self._operand(right, text)
                return Line("", "greater", sides if isinstance(operator, ast.Gt) else sides[::-1])
            case ast.Compare():
                raise SyntaxFault("a comparison is written a > b or a < b; its value is 1 or 0", column)
            case ast.Subscript():
                return self._slice(node, text, column)
        if fault := self.on_paper(text):
            raise fault
        kind = type(getattr(node, "op", node)).__name__
        if isinstance(node, ast.BinOp) and kind in ("Pow", "BitXor") and isinstance(node.left, ast.Name):
            said = f"a power is written as a product: `{node.left.id} * {node.left.id}`"
            raise SyntaxFault(said, self._at(operator_offset(node, text), text))
        message = f"{FOREIGN.get(kind, kind)} is not in the grammar ({GRAMMAR})"
        raise SyntaxFault(message, self._at(operator_offset(node, text), text))

    def _sum(self, node: ast.expr, text: str) -> Line:
        terms: list[tuple[float, ast.expr]] = []
        sign, node = signed(node)
        while sign > 0 and isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            terms.append((1.0 if isinstance(node.op, ast.Add) else -1.0, node.right))
            sign, node = signed(node.left)  # a sum at the start of a sum is part of it, whatever signs cancel before it
        terms.append((sign, node))
        signs: list[float] = []
        operands: list[Operand] = []
        for sign, term in reversed(terms):
            more, term = signed(term)
            sign, operand = sign * more, self._operand(term, text)
            while (line := self._argument(operand)) and line.op == "neg":  # like a written sign, it belongs to the sum
                sign, operand = -sign, line.operands[0]
            if line and line.op == "add" and not operands and sign > 0:  # a sum at the start of a sum is part of it
                signs, operands = list(line.constants), list(line.operands)
                continue
            if isinstance(operand, float) and operand < 0:
                sign, operand = -sign, -operand
            signs.append(sign)
            operands.append(operand)
        return Line("", "add", tuple(operands), tuple(signs))

    def _argument(self, operand: Operand) -> Line | None:
        """The line of an argument of a call that is an expression, or of an input that is one."""
        if not self.open or not isinstance(operand, str) or operand.isidentifier():
            return None
        line: Line | Operand | None = self.lines.get(operand)
        if line is None and operand in self.inputs:
            line = self._inside(open=[], arguments={}, start=0)._line(syntax(operand, 0), operand)
        return line if isinstance(line, Line) and not line.call else None

    def _product(self, node: ast.BinOp, text: str, column: int, top: bool) -> Line:
        op = _OPERATORS[type(node.op)]
        if op == "div" and not top:
            if self.open:
                raise SyntaxFault("a quotient within an expression is written quotient(a, b) here", column)
            raise SyntaxFault("give this quotient a name of its own: `q = a / b` in an equation before", column)
        left, right = self._operand(node.left, text), self._operand(node.right, text)
        if op == "matvec":
            if isinstance(left, float) or isinstance(right, float):
                raise SyntaxFault("@ does not take a number: one side is a weight matrix, the other a vector", column)
            self.read[left] = self._place(node.left.col_offset, text)  # which may also be read within the right side
            # which of two computed values is the matrix is known when all equations are (`parse.decided`)
            op = "matvec" if self._weight(left) else "vecmat" if self._weight(right) else "memvec"
        return Line("", op, (left, right))

    def _weight(self, name: str) -> bool:
        """Whether it is a parameter: something that `@` reads as a matrix."""
        return name not in self.lines and name not in self.states and name not in self.inputs

    def _slice(self, node: ast.Subscript, text: str, column: int) -> Line:
        """`z[2:5]`: units 2, 3 and 4 of z."""
        begin = end = 0
        match node.slice:
            case ast.Slice(lower=ast.Constant(value=int(begin)), upper=ast.Constant(value=int(end)), step=None):
                pass
            case ast.Constant(value=int(begin)):
                end = begin + 1
        if isinstance(begin, bool) or isinstance(end, bool) or begin >= end:
            said = "a part of a vector is written z[2:5], with the first unit and the one after the last"
            if isinstance(node.slice, ast.Tuple):  # as in an address, C_t[1,0]
                row = ROW.format("C", "C")
                said += f"; an entry or a part of a matrix C is not in the grammar: {row}, and (e @ C)[0] an entry"
            elif fault := self.on_paper(text):
                raise fault
            raise SyntaxFault(said, column)
        if end > MAX_UNITS:
            raise SyntaxFault(f"a vector of an equation has at most {MAX_UNITS} units", column)
        operand = self._operand(node.value, text)
        if not isinstance(operand, str):
            raise SyntaxFault("a number has no parts", column)
        return Line("", "slice", (operand,), (float(begin), float(end)))

    def _call(self, node: ast.Call, text: str, column: int) -> Line | Operand:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        function = None if name in FUNCTIONS else self.functions.find(name)
        if function is None and name not in FUNCTIONS:
            if fault := self.on_paper(text, column - self.start if name else None):
                raise fault
            said = nearest(name, (*sorted(FUNCTIONS), *sorted({*BUILT_IN, *self.functions})), "there are")
            inner = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            said = f"; write {inner}" if inner in FUNCTIONS or self.functions.find(inner) else said
            quoted = name or ast.get_source_segment(text, node.func) or ""  # as written, shortened
            raise SyntaxFault(f"unknown function {quoted if len(quoted) <= 40 else quoted[:39] + '…'!r}{said}", column)
        if node.keywords or any(isinstance(a, ast.Starred) for a in node.args):
            raise SyntaxFault(f"{name} takes plain operands only, by position", column)
        count = len(node.args)
        if function is not None and 0 <= len(function.arguments) - count <= len(function.defaults):
            return self._expanded(function, [self._operand(a, text) for a in node.args], column)
        operations = [op for op in OPS.values() if op.function == name]
        for op in operations:
            least = sum(1 for _, default in op.constants if default is None)
            arity = max(count, 1) if op.arity is None else op.arity
            if arity + least <= count <= arity + len(op.constants):
                operands = tuple(self._operand(a, text) for a in node.args[:arity])
                given = tuple(self._number(a, text) for a in node.args[arity:])
                rest = tuple(float(d) for _, d in op.constants[len(given) :] if d is not None)
                return Line("", op.name, operands, given + rest)
        forms = [op.signature for op in operations] if function is None else [function.signature]
        wanted = " or ".join(dict.fromkeys(forms))
        raise SyntaxFault(f"{name} has {count} argument{'s' * (count != 1)}; write {wanted}", column)

    def called(self, name: str, given: tuple[Operand, ...]) -> Line | Operand:
        """The (unnamed) line that a function of the cell evaluates to; the lines inside it are added."""
        return self._expanded(self.functions[name], given, 0)

    def checked(self, function: Function, start: int, row: tuple[int, str]) -> None:
        """Check a definition by parsing it; its arguments are arbitrary values, or their default values."""
        self.open = [function.name]
        self.arguments = _bound(function, function.arguments[: len(function.arguments) - len(function.defaults)])
        self._line(self._begin(function.body, start, row), function.body, top=True)

    def _expanded(self, function: Function, given: Sequence[Operand], column: int) -> Line | Operand:
        """The value of a call: the function's body, parsed with the operands in place of its arguments."""
        if function.name in self.open:
            said = f"{function.name} is defined by itself ({' → '.join([*self.open, function.name])})"
            raise SyntaxFault(said, column)
        if len(self.open) == MAX_OPEN:
            raise SyntaxFault(f"more than {MAX_OPEN} functions call each other", column)
        bound, call = _bound(function, given), column if self.call is None else self.call
        inner = self._inside(open=[*self.open, function.name], arguments=bound, start=0, call=call)
        try:
            line = inner._line(syntax(function.body, 0), function.body, top=True)
        except SyntaxFault as fault:
            message = str(fault) if fault.inner else f"{fault} (in {function.text})"
            raise SyntaxFault(message, column, inner=True) from None
        if not isinstance(line, Line):
            return line
        arguments = tuple(bound.values())
        first = len(arguments) - len(function.defaults)
        if arguments[first:] == function.defaults:  # default values can be omitted
            arguments = arguments[:first]
        return line._replace(call=(function.name, *arguments))

    def _inside(self, **state: Any) -> Builder:
        """A builder of the same lines for a text within the one being read. state: where it differs."""
        inner = copy(self)
        vars(inner).update(state)
        return inner

    def _number(self, node: ast.expr, text: str) -> float:
        value = self._line(node, text)
        if not isinstance(value, float):
            raise SyntaxFault("a number is expected here", self._at(node.col_offset, text))
        return value


def _bound(function: Function, given: Sequence[Operand]) -> dict[str, Operand]:
    """The arguments with the given operands, then with their default values, if there are any."""
    first = len(function.arguments) - len(function.defaults)
    return dict(zip(function.arguments, (*given, *function.defaults[len(given) - first :]), strict=True))
