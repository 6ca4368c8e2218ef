"""From text to cell: equations are parsed with a whitelist and checked, never evaluated.

Grammar: one equation `name = expression` per line, and the declarations

    input: x_t                  (the default)
    carry: h_prev <- h_t, c_prev <- c_t
    output: h_t
    matrix: A_log               (inputs and weights that no equation shows to be matrices)
    sum: d_W <- outer(d_z, x_t)     (summed over all steps and sequences; see `adjoint`)
    gradient: d_z <- z_t            (the value that d_z is the gradient of)

An expression has names, numbers, parentheses, unary minus, @ + - * / > <, parts of vectors `z[2:5]` and functions:
those of the operation table, the composite ones of `composites`, and those that the cell defines in rows of their own
in terms of their arguments:

    mish(z) = z * tanh(softplus(z))
    celu(z, alpha=1) = relu(z) + alpha * elu(quotient(-relu(-z), alpha))

One side of `@` is a parameter, the matrix: `W @ x_t`, or `x_t @ W` for a row vector times a matrix, as Keras and JAX
write a layer; or it is a matrix that the cell computes: `outer(a, b)` has the rows a[i] * b, and operations on each
unit, and carried states, keep its rows and columns.
`a > b` (and `b < a`, which means the same) is 1 where it is true and 0 elsewhere. `z[2:5]` has the units 2 to 4 of z,
counted from 0; `z[2]` is `z[2:3]`.
A call of a composite function is expanded into lines; the last of them is named by the call.
A sum is one line with its signed terms in order; products are binary and nested to the left; a quotient must be
assigned to a name. `#` begins a comment. Equal expressions are one line. An input may also be an expression: wherever
it occurs in an equation, its value is supplied (`input: x_t, W_xi @ x_t`).
"""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import lru_cache

from ..errors import CellError, nearest, raise_all
from . import composites
from .composites import Functions, is_name
from .expressions import DEEP, ROW, Builder, SyntaxFault
from .lines import HOLDS, Cell, GatheredSum, Line, SourcePlace, number, with_holds
from .on_paper import LETTERS, as_typed, told
from .ops import FUNCTIONS

#: Maximum length of a text of equations; the longest cell that ships has 2 KiB.
MAX_TEXT = 64 * 1024

_DECLARED = ("input", "matrix", "carry", "sum", "gradient", "output", *HOLDS)

_Problems = list[tuple[int, str]]  # row number and message


def _note(problems: _Problems, number: int, row: str, column: int, message: str) -> None:
    """Add a problem: the message with the equation and a caret below the position."""
    problems.append((number, SourcePlace(number, row, column).pointed(message)))


@contextmanager
def _noted(problems: _Problems, number: int, row: str, column: int) -> Iterator[None]:
    """Add a fault raised within to the problems; column: start of the text if it is too deep for Python's stack."""
    try:
        yield
    except RecursionError:
        _note(problems, number, row, column, DEEP)
    except SyntaxFault as fault:
        _note(problems, number, row, fault.column, str(fault))


def _refuse(problems: _Problems) -> None:
    raise_all(CellError, (message for _, message in sorted(problems, key=lambda problem: problem[0])))


def split(text: str) -> Iterator[tuple[str, int]]:
    """Parts between the commas outside parentheses, with their columns; the last goes to the end of the text."""
    depth = begin = 0
    for at, char in enumerate(text + ","):
        depth += (char == "(") - (char == ")")
        if char == "," and (depth <= 0 or at == len(text)):
            part = text[begin:at]
            yield part.strip(), begin + len(part) - len(part.lstrip())
            begin = at + 1


@lru_cache(maxsize=16)  # loading, editing and deriving a cell begin with the same text: 2 ms; one of 55 kB takes 3 MB
def parse(text: str, first: int = 1, inputs: tuple[str, ...] = ()) -> Cell:
    """Parse and check a cell's equations.

    first: number of the first row in messages. inputs: inputs that the cell has in addition to those declared in the
    text. Raises CellError with every fault: an unknown function, a second assignment, a name used before it has a
    value, an open carry, an operator outside the grammar; each with the equation and a caret below the position.

    >>> cell = parse("h_t = tanh(W_h @ h_prev + W_x @ x_t)\\ncarry: h_prev <- h_t\\noutput: h_t")
    >>> [line.name for line in cell.lines]
    ['W_h @ h_prev', 'W_x @ x_t', 'W_h @ h_prev + W_x @ x_t', 'h_t']
    """
    if len(text) > MAX_TEXT:
        raise CellError(f"the equations have {len(text)} characters; at most {MAX_TEXT} are read")
    problems: _Problems = []
    functions = Functions()
    equations, declared = _sorted(text, first, functions, problems)
    inputs = _inputs(declared, functions, problems, inputs)
    carry = list(_pairs("carry", declared, inputs, problems))
    states = {state for state, *_ in carry}
    given = {name: count for count, _, name, *_ in reversed(equations)}  # the first of two assignments
    builder = Builder(given, inputs, states, functions)
    for count, row, name, right, start in equations:
        column = len(row) - len(row.lstrip())
        with _noted(problems, count, row, start):
            if name in builder.lines:
                raise SyntaxFault(f"{name} is assigned twice ({_before(given[name])}); choose another name", column)
            if name in states or name in inputs or name in FUNCTIONS:
                kind = "a carried state" if name in states else "an input" if name in inputs else "a function"
                raise SyntaxFault(f"{name} is {kind}; an equation cannot assign it", column)
            if name.endswith("_prev"):
                said = f"{name} ends in _prev, as states do; choose another name, or declare it in carry"
                raise SyntaxFault(said, column)
            if name != unicodedata.normalize("NFKC", row.partition("=")[0].rstrip().removesuffix(":").strip()):
                builder.start = column
                raise builder.on_paper(right, left=row[column:start]) or SyntaxFault("", column)
            builder.assign(name, right, start, (count, row))
        builder.lines.setdefault(name, Line(name, "copy", (0.0,)))  # so that one fault is reported once
    targets = []
    for state, target, start in carry:
        count, row, *_ = declared["carry"]
        with _noted(problems, count, row, start):
            value = builder.value(target, start, (count, row))
            if value not in builder.lines and value not in inputs:
                raise SyntaxFault(f"the carry is open: no equation gives {target} a value", start)
            targets.append((state, str(value)))
            builder.places[state] = SourcePlace(count, row, start)
    sums = list(_sums(declared, builder, problems))
    known = {*builder.lines, *states, *(gathered.name for gathered in sums)}
    gradient = [pair[:2] for pair in _pairs("gradient", declared, inputs, problems, known)]
    output = _output(declared, builder, problems)
    if problems:
        _refuse([*problems, *_matrices(builder.lines.values(), builder.places)])
    matrices = tuple(_canonical(part, states, functions) or part for part, _ in _listed("matrix", declared))
    cell = Cell(tuple(builder.lines.values()), tuple(targets), output, inputs, tuple(functions.values()), tuple(sums),
                tuple(gradient), builder.places, declared=matrices)  # fmt: skip
    # an input that is an expression has no need of the lines in it
    live = cell.closure((*(x.name for x in cell.lines if x.assigned), *cell.ends, output))
    cell = decided(replace(cell, lines=tuple(cell.written(live))))
    _refuse([*_matrices(cell.lines, cell.places, cell.certain), *_ranks(cell), *_undeclared(cell, declared)])
    open_states = (name for name in cell.parameters if name.endswith("_prev"))
    said = "is read but the carry is open: declare"
    raise_all(CellError, (f"{name} {said} `carry: {name} <- …`" for name in open_states))
    if len(cell.text) > MAX_TEXT:
        said = f"the equations have {len(cell.text)} characters as they are saved"
        raise CellError(f"{said}; at most {MAX_TEXT} are read")
    names = {key: tuple(name for name, _ in _listed(key, declared)) for key in HOLDS if key in declared}
    lost = [(key, name) for key, chosen in names.items() for name in chosen if name not in cell.by_name]
    hint = "its lines are"
    raise_all(CellError, (f"{key}: {name!r} is not a line{nearest(name, cell.by_name, hint)}" for key, name in lost))
    return with_holds(cell, *(names.get(key, ()) for key in HOLDS))


_Equation = tuple[int, str, str, str, int]  # row number, row, name, right side, column of the right side
_Declared = dict[str, tuple[int, str, str, int]]  # row number, row, what follows the colon, its column


def _sorted(text: str, first: int, functions: Functions, problems: _Problems) -> tuple[list[_Equation], _Declared]:
    """The rows as equations and declarations; definitions go to `functions`. Raises CellError for a wrong one."""
    equations: list[_Equation] = []
    declared: _Declared = {}
    defined: dict[str, tuple[int, str, int]] = {}
    wrong: _Problems = []  # wrong definitions: calls of them have no meaning
    for count, line in enumerate(text.splitlines(), first):
        row = line.split("#", 1)[0].rstrip()
        column = len(row) - len(row.lstrip())
        what, mark, rest = row.partition(":")
        if mark and what.strip() in _DECLARED:
            if what.strip() in declared:
                _note(problems, count, row, column, f"{what.strip()} is declared twice; write all of it in one row")
            declared[what.strip()] = count, row, rest, len(what) + 1
        elif said := composites.head(row):
            try:
                if said.name in defined:
                    raise ValueError(f"{said.name} is defined twice ({_before(defined[said.name][0])})")
                functions[said.name] = composites.function(said, row[said.start :])
                defined[said.name] = count, row, said.start
            except ValueError as error:
                _note(wrong, count, row, column, str(error))
        elif row:
            name, mark, right = row.partition("=")
            twice = right.startswith("=") or name.rstrip().endswith(":")
            name, right = _left(name.rstrip().removesuffix(":")), right.removeprefix("=")
            if not mark or not name.isidentifier() or keyword.iskeyword(name):
                expected = "expected `name = expression`, or input:, matrix:, carry: or output:"
                _note(problems, count, row, column, expected)
            else:
                if twice:  # the meaning is clear, so no second message is needed
                    once = f"an equation is written with one =: `{name} = {right.strip()}`"
                    _note(problems, count, row, column, once)
                start = len(row) - len(right.lstrip())
                equations.append((count, row, name, right.strip(), start))
    for name, (count, row, start) in defined.items():
        with _noted(wrong, count, row, start):
            try:
                Builder({}, (), set(), functions).checked(functions[name], start, (count, row))
            except SyntaxFault as fault:
                meant = f"; if its value at step t is meant, it is written {name}_t"
                meant = meant if functions[name].arguments == ("t",) else ""
                raise SyntaxFault(f"{fault}{meant}", fault.column) from None
    if wrong:
        _refuse(problems + wrong)
    return equations, declared


def _before(number: int) -> str:
    """Where a name was defined before."""
    return f"first in equation {number}" if number > 0 else "the cell has it already"


def _left(text: str) -> str:
    """The name on the left of an equation, normalised as Python does; if written as on paper, as it is typed."""
    name = unicodedata.normalize("NFKC", text.strip())
    return as_typed(text.strip()) or name if LETTERS.search(text) or not name.isidentifier() else name


def _inputs(declared: _Declared, functions: Functions, problems: _Problems, before: tuple[str, ...]) -> tuple[str, ...]:
    if "input" not in declared:
        return before or ("x_t",)
    count, row, rest, offset = declared["input"]
    carry = declared["carry"][2] if "carry" in declared else ""
    states = {unicodedata.normalize("NFKC", part.partition("<-")[0].strip()) for part, _ in split(carry)}
    found: list[str] = []
    for part, column in split(rest):
        name = _canonical(part, states, functions)
        if name is None or name in found:
            what = f"duplicate input {name}" if name else f"an input must be a name, or an expression; found {part!r}"
            _note(problems, count, row, offset + column, what)
        else:
            found.append(name)
    return tuple(dict.fromkeys((*before, *found)))


def _canonical(part: str, states: set[str], functions: Functions) -> str | None:
    """A name, or an expression in canonical form; None for any other text."""
    text = unicodedata.normalize("NFKC", part)
    if is_name(text):
        return text
    with suppress(SyntaxFault, RecursionError):
        value = Builder({}, (text,), states, functions).value(text, 0, (0, text))
        return value if isinstance(value, str) and not value.isidentifier() else None
    return None


def _listed(what: str, declared: _Declared) -> Iterator[tuple[str, int]]:
    """The names in a declaration, with their columns."""
    if what in declared:
        _, _, rest, offset = declared[what]
        yield from ((part, offset + column) for part, column in split(rest) if part)


#: Characters used for the arrow of a pair elsewhere.
_ARROW = re.compile(r"(?:[←⟵⇐=]|:=|<[−–])\s*")
#: Descriptions of the left and the right side of a pair.
_SIDES = {"carry": ("state", "line"), "sum": ("name", "outer(a, b)"), "gradient": ("name", "value")}


def _pairs(
    what: str, declared: _Declared, inputs: tuple[str, ...], problems: _Problems, known: Container[str] | None = None
) -> Iterator[tuple[str, str, int]]:
    """(left side, text of the right side, its column) of each declared pair `left <- right`.

    known: possible left sides, and how often each may occur; None for new names.
    """
    if what not in declared:
        return
    count, row, rest, offset = declared[what]
    seen: set[str] = set()
    done = "carried" if what == "carry" else "gathered"
    for part, column in ((part, offset + column) for part, column in split(rest) if part):
        before, mark, behind = part.partition("<-")
        left, right = (unicodedata.normalize("NFKC", side.strip()) for side in (before, behind))
        arrow = None if mark else _ARROW.search(part)
        typed = _left(part[: arrow.start()]) if arrow else ""
        if arrow and is_name(typed) and part[arrow.end() :]:  # the meaning is clear, so no second message is needed
            at = len(part[: arrow.start()].rstrip())
            _note(problems, count, row, column + at, "the arrow is typed `<-`")
            yield typed, part[arrow.end() :].strip(), column + arrow.end()
            seen.add(typed)
            continue
        fault = ""
        if known is not None:
            fault = "" if left in known else f"there is no line, state or sum {left!r}"
        elif left in inputs or left in seen:
            fault = f"{left} is an input; it cannot be {done}" if left in inputs else f"{left} is {done} twice"
        if not fault and not (mark and is_name(left) and right):
            slip = told(left)
            fault = f"expected `{' <- '.join(_SIDES[what])}`" + (f" ({slip.said})" if slip else "")
        if fault:
            _note(problems, count, row, column, fault)
        else:
            yield left, right, column + len(part) - len(behind.lstrip())
        seen.add(left)


def _sums(declared: _Declared, builder: Builder, problems: _Problems) -> Iterator[GatheredSum]:
    """The sums of the cell over all steps; lines needed only for them are added."""
    for name, text, start in _pairs("sum", declared, builder.inputs, problems):
        count, row, *_ = declared["sum"]
        with _noted(problems, count, row, start):
            if name in builder.lines or name in builder.states:
                raise SyntaxFault(f"{name} has a value at each step; give the sum another name", start)
            yield GatheredSum(name, builder.gathered(text, start, (count, row)))


def _matrices(
    lines: Collection[Line], places: Mapping[str, SourcePlace], certain: Container[str] = ()
) -> Iterator[tuple[int, str]]:
    """Names that are used both as a matrix and as a vector, or beside a matrix. certain: lines that are matrices."""
    products = {line.product[0]: line.name for line in lines if line.product}
    wrong = [(n, x.name) for x in lines for n in (x.product[1:] if x.product else x.reads) if n in products]
    for name, reader in wrong:
        said = f"unit by unit; give the weight a second name there, and the same values: {name}_2"
        said = said if reader in certain else f"as a vector; write {name} @ … or … @ {name}"
        fault = f"{name} is a matrix in `{products[name]}`, but `{reader}` reads it {said}"
        yield places[reader].number, places[reader].pointed(fault, name)


def decided(cell: Cell) -> Cell:
    """The cell with each product with a computed matrix as that of a matrix and a vector, or of a vector and a matrix.

    While lines are read, a weight is the matrix, and otherwise the left side: a state is a matrix because of the line
    that it carries.
    """
    ops = {
        line.name: "vecmem" if line.operands[1] in cell.certain else "memvec"
        for line in cell.lines
        if line.memory or (line.product and line.product[1] in cell.certain)
    }
    lines = (line._replace(op=ops.get(line.name, line.op)) for line in cell.lines)
    return replace(cell, lines=tuple(lines)) if ops else cell


def _ranks(cell: Cell) -> Iterator[tuple[int, str]]:
    """Matrices that the cell computes where a vector is needed, and products of two vectors."""
    wrong: set[str] = set()  # and what reads these
    for line in cell.lines:
        found = [name for name in line.reads if name in cell.certain]
        fault, follows = _of_rank(line, found, cell), not wrong.isdisjoint(line.reads)
        if fault or follows:
            wrong.add(line.name)
        if fault and (found or not follows):
            odd = next(iter(found or line.reads * bool(line.memory)), "")  # else the operation
            yield cell.places[line.name].number, cell.places[line.name].pointed(fault, odd)
    for state, target in cell.carry:
        if state in cell.certain and target not in cell.matrices:
            fault = f"{state} is declared to be a matrix, and {target}, which it takes over, is a vector"
            yield cell.places[state].number, cell.places[state].pointed(fault)


def _of_rank(line: Line, found: Sequence[str], cell: Cell) -> str:
    """What is wrong with the operands of a line; empty if nothing is. found: those that are matrices."""
    if line.memory and not found:
        one = line.reads[0]
        advice = "let outer(a, b) compute it" if one in cell.by_name else f"declare `matrix: {one}`"
        both = "one side of @ must be a weight matrix, and both are computed or fed"
        return f"{both}; if {one} is a matrix, {advice}"
    if line.memory and len(found) > 1:
        both = f"{' and '.join(found)} are both matrices, and one side of @ must be a vector"
        return f"{both}; unit by unit their product is written {' * '.join(found)}"
    if line.op == "outer" and found:
        return f"outer takes two vectors, and {found[0]} is a matrix"
    if line.op == "where" and line.call[:1] == ("ones",) and not line.reads:
        one = number(float(line.call[1]))
        return f"ones({one}) is a single 1: ones(u) has a 1 for each unit of u; write a vector in place of {one}"
    if line.op == "outer" and len(line.reads) < 2:
        parts = [o if isinstance(o, str) else number(o) for o in line.operands]
        return f"outer takes two vectors, and a number has no units; write {' * '.join(sorted(parts))}"
    if found and line.op in ("slice", "concat"):
        fault = "a part of a matrix is not in the grammar" if line.op == "slice" else "concat joins vectors"
        return f"{fault}, and {found[0]} is a matrix; {ROW.format(found[0], 'it')}"
    return ""


def _undeclared(cell: Cell, declared: _Declared) -> Iterator[tuple[int, str]]:
    """Faults in the names that are declared to be matrices."""
    products = {line.product[0]: line.name for line in cell.lines if line.product}
    known = (*cell.inputs, *cell.states, *cell.parameters)
    for name, (_, column) in zip(cell.declared, _listed("matrix", declared), strict=True):
        if name in cell.by_name:
            fault = f"{name} has an equation, which decides whether it is a matrix; inputs and weights are declared"
        elif name in products:
            fault = f"`{products[name]}` shows that {name} is a matrix; leave it out here"
        elif name not in known:
            fault = f"no equation reads {name!r}{nearest(name, known)}"
        else:
            continue
        count, row, *_ = declared["matrix"]
        yield count, SourcePlace(count, row, column).pointed(fault)


def _output(declared: _Declared, builder: Builder, problems: _Problems) -> str:
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
        _note(problems, count, row, column, f"the output {name} is not a line of the cell{nearest(name, lines)}")
    return name
