"""What the equations borrow of Python's grammar: text to its tree, and what is said where it is none."""

from __future__ import annotations

import ast
import unicodedata
import warnings
from collections.abc import Mapping
from typing import NamedTuple

GRAMMAR = "names, numbers, + - * / @ > <, z[2:5], functions"
#: How the parts of Python's grammar that are not in ours are written.
FOREIGN = {
    "Pow": "**", "Mod": "%", "FloorDiv": "//", "BitAnd": "&", "BitOr": "|", "BitXor": "^", "LShift": "<<",
    "RShift": ">>", "Invert": "~", "Not": "not", "And": "and", "Or": "or",
    "IfExp": "if … else", "Attribute": "a dot between names", "Lambda": "lambda",
    "Tuple": "a comma here", "List": "a list", "Dict": "a mapping", "Set": "a set", "JoinedStr": "text",
}  # fmt: skip
DEEP = "the expression is nested too deeply, or holds a character that cannot be read; split it"
#: Levels of Python's own tree, which has one for each term of a sum. Fewer than its stack has room for: what is read
#: once is read again, wherever that is.
MAX_LEVELS = 1000
UNREADABLE = "this cannot be read as an equation"
_WIDE = 100  # columns of an equation that a message shows


class Place(NamedTuple):
    """Where a line was written: its row with the number, the column of its operation, and those of its operands."""

    number: int
    row: str
    column: int
    operands: Mapping[str, int] = {}

    def pointed(self, message: str, operand: str = "") -> str:
        """The message with the equation, and a caret under the operation, or under an operand of it."""
        place = f"equation {self.number}" if self.number > 0 else "the cell's own equations"
        row, column = self.row, self.operands.get(operand, self.column)
        if len(row) > _WIDE:  # only the part round the caret
            begin = max(min(column - _WIDE // 2, len(row) - _WIDE), 0)
            row = ("…" if begin else "") + row[begin : begin + _WIDE] + ("…" if begin + _WIDE < len(row) else "")
            column += (1 if begin else 0) - begin
        return f"{place}: {message}\n    {row}\n    {_as_wide(row[:column])}^"


def _as_wide(text: str) -> str:
    """Blanks that are as wide as a text in letters of one width: tabs for tabs, Chinese blanks for wide characters.

    >>> _as_wide("a\\t変")
    ' \\t\\u3000'
    """
    wide = {"W": "\u3000", "F": "\u3000"}
    return "".join(
        c if c == "\t" else "" if unicodedata.combining(c) else wide.get(unicodedata.east_asian_width(c), " ")
        for c in text
    )


def pointed(message: str, places: Mapping[str, Place], line: str, operand: str = "") -> str:
    """The message with a caret in the equation of `line` (see `Place`); as it is where nobody wrote that line."""
    return places[line].pointed(message, operand) if line in places else message


class Fault(Exception):  # noqa: N818 - it never leaves the parser: it becomes a sentence of a CellError
    """One fault at a column of the row being read."""

    def __init__(self, message: str, column: int = 0, inner: bool = False) -> None:
        super().__init__(message)
        self.column = column
        self.inner = inner  # whether it names the definition in which it was found


class Unreadable(Fault):
    """A text that is none of Python's grammar."""


def syntax(text: str, start: int) -> ast.expr:
    """Python's tree of an expression that begins at column `start`. Raises Fault where it is none, or is too deep."""
    if not text:
        raise Fault("an expression is missing here", start)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's advice on its own syntax ('1or x') is not for us
            tree = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        at = min(max((error.offset or 1) - 1, 0), len(text))
        raise Unreadable(f"{UNREADABLE} ({error.msg.split(';')[0]})", start + at) from None
    except (RecursionError, MemoryError, ValueError):
        raise Fault(DEEP, start) from None
    level: list[ast.AST] = [tree]
    for _ in range(MAX_LEVELS):
        level = [inner for node in level for inner in ast.iter_child_nodes(node)]
        if not level:
            return tree
    raise Fault(DEEP, start)


def operator_offset(node: ast.expr, text: str) -> int:
    """Where in the UTF-8 text of an expression its operation is written: the sign, the function, the bracket."""
    match node:
        case ast.BinOp(left=left, right=right) | ast.Compare(left=left, comparators=[right]):
            between = text.encode()[left.end_col_offset : right.col_offset]
            return right.col_offset - len(between.lstrip(b" \t)"))
        case ast.Subscript(value=value):
            rest = text.encode()[value.end_col_offset :]
            return len(text.encode()) - len(rest.lstrip(b" \t)"))
    return node.col_offset


def signed(node: ast.expr) -> tuple[float, ast.expr]:
    """A term without the signs before it, and the sign that they make."""
    sign = 1.0
    while isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd | ast.USub):
        sign, node = -sign if isinstance(node.op, ast.USub) else sign, node.operand
    return sign, node
