#!/usr/bin/env python3
"""Prove or refute every value of a trace of a recurrent network (lstm-trace/1) from the specification alone.

    python3 check.py TRACE… [--sample N] [--quiet]

A trace (.json or .safetensors) has the equations of a network, its weights and inputs (the premises), and the value of
every line of the equations at every step. This program derives each value again from the recorded values that its
equation reads, with exact integers and fractions, and compares. It was written from docs/trace-format.md alone, shares
no code with the program that made the trace, and needs Python 3.11 and nothing else: keep it beside a paper's traces.

"Proved" means that every recorded value r follows from the recorded operands of its equation, so that, step by step,
the whole run follows from the premises by the equations, which are printed. What r is compared with:
    + - * / sqrt, comparisons, choices   the result of IEEE 754, rounded to nearest: equal
    a product or sum of n terms          the exact value e: |r - e| <= k u / (1 - k u) S + k (least number), u = 2^-53
                                         in float64, S the sum of the terms' magnitudes, k = n roundings (n - 1)
    tanh, exp, log, sin, cos             an enclosure of the exact value e: |r - e| <= 8 u |e| + (least normal number)
    sigmoid, elu, softplus               the same with 12 u |e|
    another arithmetic                   by-hand-N, float32, float16, bfloat16, qM.N have one result: equal
It does not mean that the premises are right (they are listed), that the equations are those of the network that
somebody had in mind (read them), that an adjoint stage is the gradient of its stage, or that the errors of all steps
together are small. "Inconclusive" is what cannot be decided: an operand is not in the file, or a bound is not finite.

Exit status: 0 every value is proved, 1 a value is refuted, 3 inconclusive, 2 a file is no trace or contradicts itself.
"""

# This file is laid out to be read as a whole, on few pages.
# ruff: noqa: E401, E701, I001
# fmt: off
from __future__ import annotations

import argparse, ast, json, math, random, re, struct, sys, warnings
from collections import namedtuple
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

class RefusedError(Exception): """The file is not a trace, or it contradicts itself; the message says where."""
class UnknownError(Exception): """A value cannot be decided; the message says why."""

# --- Files -----------------------------------------------------------------------------------------------------------
# They come from strangers: nothing is evaluated, and nothing is made that is much larger than the file.
REQUIRED = {"format", "steps", "batch", "stages", "cell"}
STATEMENTS = """title title_tex notes merge padding names symbols aliases count_from ask imported batched batch_first
    plan agreement mistakes replaced digits language notation"""
KEYS = REQUIRED | {"dtype", "first", "arithmetic", *STATEMENTS.split()}
AXES = {"parameters": (1, 2), "sums": (1, 2), "lines": (3,), "given": (3,), "initial": (2,)}
AXES |= {"x": (3,), "lengths": (1,), "mask": (2,)}  # of the whole network
CODES = {"float64": "d", "float32": "f", "float16": "e", "F64": "d", "F32": "f", "I64": "q"}
WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
NAME = (r"inputs/(x|lengths|mask)|(parameters|lines|sums|inputs/given|initial)/([^/]+/[^/]+)/([^/]+)|"  # of an array
        r"inputs/(?:initial/([^/]+)|([hc])0)/([^/]+/[^/]+)")
Array = namedtuple("Array", "shape rows")
Stage = namedtuple("Stage", "scope cell sources computed backwards weights number")  # weights: scope of its parameters

def shown(value: object, most: int = 200) -> str:
    """Return a text of a file as it can be printed: one line, not too long, nothing that moves a cursor."""
    text = "".join(c if c.isprintable() else "?" for c in str(value)[: most + 1])
    return text if len(text) <= most else text[: most - 3] + "..."

def need(condition: object, message: str) -> None:
    """Refuse the file unless the condition holds."""
    if not condition: raise RefusedError(message)

def flat(rows: Any) -> tuple[Any, ...]:
    """Return all numbers of rows."""
    return tuple(x for row in rows for x in row)

def part(of: dict[str, Any], key: str, kind: type, default: object = None) -> Any:
    """Return what a key of an object has, which must be of this type."""
    value = default if of.get(key) is None else of[key]
    need(isinstance(value, kind) and type(value) is not bool, f"{shown(key)} is missing, or no {kind.__name__}")
    return value

def parsed_json(text: bytes) -> Any:
    """Read JSON. A key occurs once, the sign of -0 is kept."""
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        need(len(dict(pairs)) == len(pairs), f"a key occurs twice among {shown([key for key, _ in pairs])}")
        return dict(pairs)
    try: return json.loads(text.decode(), object_pairs_hook=unique, parse_int=lambda n: -0.0 if n == "-0" else int(n))
    except (ValueError, RecursionError) as error:  # what is not UTF-8, too; lists that are nested too deeply
        raise RefusedError(f"not JSON: {shown(error)}") from None

def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Return the arrays of a .json file, with their keys as a path."""
    for key, value in tree.items():
        yield from leaves(value, f"{path}{key}/") if isinstance(value, dict) else [(path + key, value)]

def tensors(header: dict[str, Any], data: bytes) -> Iterator[tuple[str, Any]]:
    """Return the arrays of a .safetensors file, with their names, as shape and numbers."""
    spans = [(0, 0)]
    for name, of in header.items():
        kind, shape, (begin, end) = of["dtype"], of["shape"], of["data_offsets"]
        right = kind in (("I64",) if name in ("inputs/lengths", "inputs/mask") else ("F64", "F32"))
        right = right and all(type(n) is int and n >= 0 for n in [*shape, begin, end]) and end <= len(data)
        size = math.prod(shape) if right else 0
        need(size and end - begin == size * int(kind[1:]) // 8, f"tensor {shown(name)}: wrong dtype, shape or offsets")
        yield name, (tuple(shape), list(struct.unpack_from(f"<{size}{CODES[kind]}", data, begin)))
        spans.append((begin, end))
    begins, ends = zip(*sorted(spans), strict=True)
    need([*begins[1:], len(data)] == [*ends], "the tensors do not fill the file")

def numbers(value: Any, kind: str, begin: tuple[int, ...], dtype: str, where: str) -> Array:
    """Read lists of lists, or a tensor, of a shape that begins so; round to the type of the trace."""
    shape, flat = value if isinstance(value, tuple) else ((), [value])
    while isinstance(flat[0], list) and len(shape) < 4:
        right = all(isinstance(row, list) and row and len(row) == len(flat[0]) for row in flat)
        need(right, f"{where} is ragged or empty")
        shape, flat = (*shape, len(flat[0])), [item for row in flat for item in row]
    kinds, tensor = {int, float, *[bool] * (kind == "mask")}, isinstance(value, tuple)  # only lists have words
    right = all(x in WORDS if isinstance(x, str) else type(x) in kinds and (tensor or abs(x) < math.inf) for x in flat)
    need(right and len(shape) in AXES[kind], f"{where} is not {AXES[kind][0]} lists of numbers in one another")
    need(shape[: len(begin)] == begin, f"{where} has a wrong shape")
    code = f"<{len(flat)}{CODES[dtype]}"
    try: flat = struct.unpack(code, struct.pack(code, *(WORDS.get(x, x) for x in flat)))
    except OverflowError: raise RefusedError(f"{where} has a number that is too large for {dtype}") from None
    return Array(shape, [flat[at : at + shape[-1]] for at in range(0, len(flat), shape[-1])])

class ReadTrace:
    """What a file holds; what the format does not allow is refused."""
    def __init__(self, path: Path) -> None:
        need(path.is_file(), "no such file, or no file at all")
        data = path.read_bytes()
        if path.suffix == ".safetensors":
            start = int.from_bytes(data[:8], "little") + 8
            need(start <= len(data), "the header is longer than the file")
            header = parsed_json(data[8:start])
            document = parsed_json(header.pop("__metadata__")["manifest"].encode(errors="replace"))
            arrays = tensors(header, data[start:])
        else:
            document = parsed_json(data)
            arrays = leaves({key: document.pop(key, {}) for key in ("parameters", "inputs", "lines", "sums")})
        need(document.get("format") == "lstm-trace/1", "not a trace: its format is not lstm-trace/1")
        need(REQUIRED <= set(document) <= KEYS, f"unknown or missing keys: {shown(set(document) - KEYS or REQUIRED)}")
        self.size, self.dtype = len(data), part(document, "dtype", str, "float64")
        self.steps, self.batch = both = part(document, "steps", int), part(document, "batch", int)
        self.arithmetic, self.ask = part(document, "arithmetic", str, ""), part(document, "ask", list, [])
        self.first, dtypes = part(document, "first", int, 0), ["float64"] if self.arithmetic else [*CODES][:3]
        need(self.dtype in dtypes, f"wrong dtype {shown(self.dtype)}")
        need(0 <= self.first < 1 << 53 and min(both) > 0, "steps and batch are at least 1, first at least 0")
        need(self.steps * self.batch <= len(data), "it has more steps than the file has bytes")
        self.stages: dict[str, Stage] = {}
        for entry in part(document, "stages", list): self._add(entry)
        self.arrays: dict[str, Any] = {key: {scope: {} for scope in self.stages} for key in [*AXES][:5]}
        self.arrays["inputs"] = {"": {}}
        begin = {"lengths": both[1:], "initial": both[1:], **dict.fromkeys(("lines", "given", "x", "mask"), both)}
        for path_of, value in arrays:
            match = re.fullmatch(NAME, path_of)
            need(match, f"there is no array {shown(path_of)}")
            common, kind, scope, name, state, letter, place = match.groups("") if match else 7 * ("",)
            kind, name = common or kind.replace("inputs/", "") or "initial", common or name or state or letter + "_prev"
            group = self.arrays["inputs" if common else kind].get(scope or place, {name: ""})
            need(name not in group, f"{shown(path_of)}: there is no such stage, or it occurs twice")
            dtype = "float64" if kind in ("lengths", "mask") else self.dtype
            group |= {} if value is None else {name: numbers(value, kind, begin.get(kind, ()), dtype, shown(path_of))}
        x, lengths, mask = (self.arrays["inputs"][""].get(key) for key in ("x", "lengths", "mask"))
        ends, valid = flat(lengths.rows) if lengths else (), [*flat(mask.rows)] if mask else []
        need(not (ends and valid) and {*valid} <= {0, 1}, "both lengths and mask, or a mask that is not 0 or 1")
        need(all(n % 1 == 0 and 0 <= n <= self.first + self.steps for n in ends), "lengths are not numbers of steps")
        valid = valid or [float(self.first + k < n) for k in range(self.steps) for n in ends]
        self.common = {"x": x, "valid": Array((*both, 1), [(n,) for n in valid]) if valid else None}

    def _add(self, entry: dict[str, Any]) -> None:
        keys, direction = {"layer", "direction", "equations", "sources", "computed"}, part(entry, "direction", str)
        scope = f"{part(entry, 'layer', int)}/{direction}"
        right = entry.keys() <= keys and re.fullmatch(r"[0-9]+/(adjoint-)?(forward|reverse|joined)", scope)
        need(right and scope not in self.stages, f"a stage is unknown, or occurs twice: {shown(scope)}")
        try: cell = ReadCell(part(entry, "equations", str))
        except (RefusedError, RecursionError) as error:
            raise RefusedError(f"equations of {scope}: {error}") from None
        sources, computed = part(entry, "sources", dict, {}), part(entry, "computed", list, list(cell.lines))
        need(all(isinstance(text, str) for text in [*sources.values(), *computed]), f"{scope}: sources, computed")
        have, weights = set(computed), scope.replace("adjoint-", "")
        need(computed == [name for name in cell.lines if name in have], f"computed of {scope}: not lines of its cell")
        backwards = direction in ("reverse", "adjoint-forward", "adjoint-joined")
        self.stages[scope] = Stage(scope, cell, sources, computed, backwards, weights, len(self.stages))

# --- Equations -------------------------------------------------------------------------------------------------------
# A text becomes lines, one for each operation. The file has the values of a line under its name, so the names of
# unnamed lines must be exactly those of the page. Python's own parser reads the expressions; nothing is executed.
Operand = str | float
EPSILONS = {"sigmoid": 6, "elu": 6, "softplus": 6, "tanh": 4, "exp": 4, "log": 4, "sin": 4, "cos": 4}
UNARY = [*EPSILONS, "sqrt", "floor", "relu", "clip"]
FUNCTIONS = dict.fromkeys([*UNARY, "sum", "mean"], (1, 1))  # fewest and most operands
FUNCTIONS |= {"where": (3, 3), "max": (1, 2), "outer": (2, 2), "concat": (1, 1000)}
DEFAULTS: dict[str, tuple[Any, ...]] = {"elu": (1.0,), "clip": (None, None)}  # of the numbers after the operands
SAME = {*UNARY, "add", "*", "/", "neg", "copy", ">", "where", "maximum"}  # as wide as their operands
SUMS = ("matvec", "vecmat", "memvec", "vecmem", "sum", "mean", "steps")  # a sum over steps is a line `steps`
INFIX = {ast.Mult: "*", ast.MatMult: "@", ast.Div: "/"}
LEVELS = {">": 0, "add": 1, "*": 2, "@": 2, "/": 2, "neg": 3}  # how tightly a text binds; 4: all others
ROW = (r"(input|carry|output|matrix|sum|gradient|hold|scale)\s*:(.*)|"  # a declaration, a definition, or an equation
       r"([^\s()=]+)\s*\(([^()]*)\)\s*=(.*)|([^\s()=]+)\s*=(.*)")
DECLARED = ("output", "matrix", "hold", "scale")
MOST = 20_000  # characters of an expression: a bound for hostile texts
Line = namedtuple("Line", "name op operands constants")  # constants: signs, ends of a slice, numbers of elu and clip

def parsed(text: str) -> Any:
    """Read an expression with Python's parser. It puts names into the form NFKC, as the page demands."""
    need(len(text) <= MOST, "an expression is too long")
    try: return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise RefusedError(f"not an expression: {shown(text.strip())}") from None

def signed(tree: ast.expr, sign: int = 1, right: bool = False) -> list[tuple[int, ast.expr]]:
    """Take a sum apart into signed terms; a sum on the right of a mark, or with a minus before it, is one term."""
    while isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.UAdd | ast.USub):
        sign, tree = -sign if isinstance(tree.op, ast.USub) else sign, tree.operand
    if right or sign < 0 or not isinstance(tree, ast.BinOp) or not isinstance(tree.op, ast.Add | ast.Sub):
        return [(sign, tree)]
    return [*signed(tree.left), *signed(tree.right, 1 if isinstance(tree.op, ast.Add) else -1, True)]

class ReadCell:
    """The lines of a text, in order of computation, and its declarations."""
    def __init__(self, text: str) -> None:
        self.text, self.lines, self.inputs = text, dict[str, Line](), set[str]()
        self.choices = set[str]()  # the inputs that choose between a computed and a held value: 0 or 1
        self._made = dict[Operand, Line]()  # all lines, also those that nothing needs in the end
        self._known = dict[Any, Operand]()  # an operation with its operands and constants, or a call: its line
        self._levels = dict[Operand, int]()  # of unnamed lines
        self._left = 4_000_000  # what may still be made, about in characters: composites of composites grow fast
        declared, equations, self._functions = dict[str, Any](), dict[str, Any](), dict[str, Any]()
        need(len(text) <= 20 * MOST, "the text is too long")
        for row in filter(None, (row.partition("#")[0].strip() for row in text.splitlines())):
            match = re.fullmatch(ROW, row)
            key, items, function, arguments, body, name, right = match.groups("") if match else 7 * ("",)
            group = declared if key else self._functions if function else equations
            name = key or getattr(parsed(function or name or "0"), "id", "")
            right = f"({items.replace('<-', ':=')},)" if key else f"lambda {arguments}: {body}" if function else right
            new = name and name not in group and (key or name not in FUNCTIONS) and ":=" not in row
            need(new, f"no equation or declaration, or not a new name: {shown(row)}")
            group[name] = parsed(right)  # a tuple of Python, a lambda, or an expression
        self._equations, listed = equations.keys(), {key: tree.elts for key, tree in declared.items()}
        arrows = [[(one.target.id, one.value) for one in listed.get(key, [])] for key in ("carry", "sum", "gradient")]
        carry, sums, gradient = map(dict, arrows)
        inputs = [str(self._build(item)) for item in listed.get("input", [ast.Name("x_t")])]  # texts are names
        names = [*equations, *(name for name, _ in arrows[0]), *inputs]
        new = len(set(names)) == len(names) and len(sums) == len(arrows[1]) and not FUNCTIONS.keys() & {*carry, *sums}
        need(new, "equations, states, inputs or sums have wrong or equal names")
        self.inputs = set(inputs)
        for name, tree in equations.items():
            if (operand := self._build(tree, name)) != name: self._made[name] = Line(name, "copy", (operand,), ())
        self.carry = {state: str(self._build(tree)) for state, tree in carry.items()}
        need({*self.carry.values()} <= {*self._made, *self.inputs}, "a state carries no line and no input")
        self.sums = {name: self._sum(name, tree) for name, tree in sums.items()}
        self.gradient = {name: getattr(tree, "id", "") for name, tree in gradient.items()}
        terms = [operand for line in self.sums.values() for operand in line.operands]
        output, matrices, held, scaled = (list(map(self._build, listed.get(key, []))) for key in DECLARED)
        last = [*output, *(["h_t"] if "h_t" in equations else [*equations][-1:]), ""][0]
        for operand in [*equations, *self.carry.values(), *terms, last]: self._order(operand)
        read = {operand for line in self.lines.values() for operand in line.operands}.union(terms)
        self.parameters = {name for name in read if isinstance(name, str)} - {*self.lines, *self.inputs, *carry}
        self._find_matrices(matrices)
        self._hold({*held}, {*scaled}, last)

    def _spend(self, cost: int) -> None:
        self._left -= cost
        need(self._left > 0, "too many lines or calls, or names that are too long")

    def _build(self, tree: ast.expr, title: str = "") -> Operand:
        """Make the lines of an expression and return its operand; the last operation has the title."""
        self._spend(10)
        match tree:
            case ast.Constant(value=int() | float() as value) if type(value) is not bool:
                need(value <= sys.float_info.max, "a number is too large")
                return float(value)
            case ast.Name(id=read):
                right = read not in FUNCTIONS and (read not in self._equations or read in self._made)
                need(right, f"{shown(read)} is a function, or is read before its equation")
                return read
            case ast.UnaryOp(op=ast.UAdd(), operand=part): return self._build(part, title)
            case ast.UnaryOp(op=ast.USub(), operand=part):
                operand = self._build(part)
                return 0.0 - operand if isinstance(operand, float) else self._line(title, "neg", [operand])
            case ast.BinOp(op=ast.Add() | ast.Sub()):
                terms = [(sign, self._build(term)) for sign, term in signed(tree)]
                terms = [(-sign, -x) if isinstance(x, float) and x < 0 else (sign, x) for sign, x in terms]
                return self._line(title, "add", [x for _, x in terms], [sign for sign, _ in terms])
            case ast.BinOp(op=ast.Mult() | ast.MatMult() | ast.Div() as mark, left=left, right=right):
                need(title or not isinstance(mark, ast.Div), "/ is only for the last operation of an equation")
                return self._line(title, INFIX[type(mark)], [self._build(left), self._build(right)])
            case ast.Compare(ops=[ast.Gt() | ast.Lt() as mark], left=left, comparators=[right]):
                pair = [left, right] if isinstance(mark, ast.Gt) else [right, left]
                return self._line(title, ">", list(map(self._build, pair)))
            case ast.Subscript(value=part, slice=ast.Slice(ast.Constant(begin), ast.Constant(end), None)):
                need(type(begin) is type(end) is int, "the ends of a slice are whole numbers")
                return self._line(title, "slice", [self._build(part)], [begin, end])
            case ast.Subscript(value=part, slice=ast.Constant(begin)) if type(begin) is int:
                return self._line(title, "slice", [self._build(part)], [begin, begin + 1])
            case ast.Call(func=ast.Name(id=function), args=parts, keywords=[]):
                operands = list(map(self._build, parts))
                if function not in FUNCTIONS: return self._call(function, operands, title)
                (fewest, most), defaults = FUNCTIONS[function], DEFAULTS.get(function, ())
                constants = [*operands[most:], *defaults[len(operands[most:]) :]]
                right = len(operands) >= fewest and all(type(number) is float for number in constants)
                need(right and len(constants) == len(defaults), f"{function} has wrong operands")
                two = function == "max" and len(operands) == 2
                return self._line(title, "maximum" if two else function, operands[:most], constants)
        raise RefusedError(f"not allowed: {shown(ast.unparse(tree))}")

    def _line(self, title: str, op: str, operands: Sequence[Operand], constants: Sequence[Any] = ()) -> Operand:
        """Return the name of the line that has this operation, which is made if there is none."""
        key = op, tuple(operands), tuple(constants)
        if key not in self._known:
            self._spend(sum(len(str(operand)) for operand in operands) + len(title))
            self._known[key] = name = title or self._spelled(*key)
            self._made[name] = Line(name, *key)
            self._levels |= {} if title else {name: LEVELS.get(op, 4)}
        return self._known[key]

    def _call(self, function: str, operands: list[Operand], title: str) -> Operand:
        """Write the operands of a call in place of the arguments, and read the body with them."""
        if function not in self._functions:
            raise UnknownError(f"the equations do not define {shown(function)}, as those of an earlier version")
        body, of = self._functions[function].body, self._functions[function].args
        names, defaults = [one.arg for one in of.args], list(map(self._build, of.defaults))
        parts = re.split(r"\b([^\W\d]\w*)\b(?!\()", ast.unparse(body))  # every second part is a name
        plain, lacking = len(names) - len(defaults), len(names) - len(operands)
        right = len({*names}) == len(names) and {*parts[1::2]} <= {*names} and all(type(x) is float for x in defaults)
        need(right and 0 <= lacking <= len(defaults), f"{shown(function)}: wrong arguments, defaults, or names in it")
        values = operands + defaults[len(defaults) - lacking :]
        texts = dict(zip(names, map(self._text, values), strict=True))
        self._spend(sum(map(len, texts.values())) + sum(len(texts[name]) for name in parts[1::2]) + 100)
        text = f"{function}({', '.join([*texts.values()][: plain if values[plain:] == defaults else None])})"
        if text not in self._known and text not in self.inputs:
            written = "".join(f"({texts[part]})" if at % 2 else part for at, part in enumerate(parts))
            self._known[text] = self._build(parsed(written), title or text)
        return self._known.get(text, text)

    def _sum(self, name: str, tree: ast.expr) -> Line:
        """Read a sum over steps: two operands for each term, which are those of `outer`, or one and the number 1."""
        operands, outer, rest = list[Operand](), list[bool](), list[ast.expr]()
        while isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Add): rest, tree = [tree.right, *rest], tree.left
        for term in [tree, *rest]:  # -a and a - b are lines
            match term:
                case ast.Call(ast.Name("outer"), [a, b], []): pair = a, b
                case _: pair = term, ast.Constant(1.0)
            operands, outer = [*operands, *map(self._build, pair)], [*outer, pair[0] is not term]
        return Line(name, "steps", tuple(operands), tuple(outer))

    def _text(self, operand: Operand, least: int = 0) -> str:
        """Write an operand, in parentheses if it binds less tightly than its place needs."""
        text = str(operand).removesuffix(".0") if isinstance(operand, float) else operand
        return text if self._levels.get(operand, 3 if text.startswith("-") else 4) >= least else f"({text})"

    def _spelled(self, op: str, operands: tuple[Operand, ...], constants: tuple[Any, ...]) -> str:
        """Return the canonical text of an operation."""
        first, last, text = operands[0], operands[-1], self._text
        if op == "add":
            rest = zip(constants[1:], operands[1:], strict=True)
            begin = text(first, 2) if constants[0] > 0 else "-" + text(first, 3)
            return begin + "".join(f" {'+' if sign > 0 else '-'} {text(operand, 2)}" for sign, operand in rest)
        if op in ("neg", "slice"):
            return "-" + text(first, 3) if op == "neg" else f"{text(first, 4)}[{constants[0]}:{constants[1]}]"
        if op in LEVELS: return f"{text(first, 1 if op == '>' else 2)} {op} {text(last, 1 if op == '>' else 3)}"
        parts = map(text, operands + (() if constants == DEFAULTS.get(op) else constants))
        return f"{'max' if op == 'maximum' else op}({', '.join(parts)})"

    def _order(self, operand: Operand) -> None:
        """Append a line that is needed, after those that it reads."""
        if operand in self._made and operand not in self.lines and operand not in self.inputs:
            for part in self._made[operand].operands: self._order(part)
            self.lines[str(operand)] = self._made[operand]

    def _find_matrices(self, found: list[Operand]) -> None:
        """Decide which product each @ is: the matrix is a parameter, or a matrix that is computed."""
        readers = dict[Operand, list[str]]()  # what is a matrix if this is one
        edges = [(state, (carried,)) for state, carried in self.carry.items()]
        for name, operands in edges + [(line.name, line.operands) for line in self.lines.values() if line.op in SAME]:
            for operand in operands: readers.setdefault(operand, []).append(name)
        found += [line.name for line in self.lines.values() if line.op == "outer"]
        for one in found: found += readers.pop(one, [])  # which grows
        matrices = set(found)
        for line in [line for line in self.lines.values() if line.op == "@"]:
            first, second = line.operands
            op, vector = ("matvec", second) if first in self.parameters else ("vecmat", first)
            if not {first, second} & self.parameters or vector in matrices:
                op = "vecmem" if second in matrices else "memvec"
            self.lines[line.name] = line._replace(op=op)

    def _hold(self, held: set[Operand], scaled: set[Operand], output: Operand) -> None:
        """Put the choice between a computed and a supplied value into the lines that are held or scaled."""
        before, self.lines = self.lines, {}
        need(held | scaled <= set(before), "hold or scale names something that is not a line")
        used, kinds = {*before, *self.inputs, *self.carry, *self.parameters}, ("hold", "to", "scale", "by", "free")
        for name, line in before.items():
            if name not in held | scaled:
                self.lines[name] = line
                continue
            text, n = re.sub(r"\W+", "_", name).strip("_")[:40], 1
            while used.intersection(new := [f"{kind}_{text}" + f"_{n}" * (n > 1) for kind in kinds]): n += 1
            hold, to, scale, by, free = new
            used, self.inputs, self.choices = used.union(new), self.inputs.union(new[:4]), self.choices | {hold, scale}
            self.lines[free] = line._replace(name=free)
            product, chosen = f"{by} * {free}", free
            if name in scaled:
                chosen = f"where({scale}, {product}, {free})" if name in held else name
                self.lines[product] = Line(product, "*", (by, free), ())
                self.lines[chosen] = Line(chosen, "where", (scale, product, free), ())
            if name in held: self.lines[name] = Line(name, "where", (hold, to, chosen), ())
            if name == output and line.op == "where" and line.operands[0] == "valid":
                self.carry |= {state: free for state in line.operands[2:] if self.carry.get(state) == name}

# --- Functions -------------------------------------------------------------------------------------------------------
# Each is enclosed between two integers: lo / q <= f(n / d) <= hi / q with q = 2^s; "a unit" is 1 / q. Divisions round
# down, and what they lose is counted. All functions come from one series. Where a value is a whole number of units,
# both ends are that, since only then a tie can be rounded.
def series(x: int, s: int, first: int, sign: int, factorial: bool) -> tuple[int, int]:
    """Return the sum of sign^j (x / q)^n / n! (or / n), n = first + 2 j, and a bound of its error, in units.

    cosh, sinh, cos, sin of 0 <= x / q <= 1 are sums with n!, first 0 or 1; atanh of x / q <= 1/3 is one with n. The
    integer x may be 1 unit too small. The square is less than 1 unit too small. A power (with its n!) that is e <= 2
    units too small makes the next less than (e + 1 + 1) / 2 + 1 too small with n! >= 2 (n - 2)!, or e / 9 + 1/3 + 1:
    at most 2 in both cases. The division by n loses less than 1 more. The first power whose integer is 0 is below 2,
    all from there on below 4; what x lacks counts below 2, as every slope is.
    """
    square, power, total, n = x * x >> s, x if first else 1 << s, 0, first
    while power:
        total += (power if factorial else power // n) * sign ** (n // 2)
        power, n = power * square >> s, n + 2
        power = power // (n * (n - 1)) if factorial else power
    return total, 3 * (n // 2) + 6

def doubled(n: int, d: int, s: int, sign: int) -> tuple[int, int, int]:
    """Return cosh x and sinh x (sign 1) or cos x and sin x (-1), and a bound of their errors, in units.

    They are summed for x / 2^m < 1, and doubled m times: cosh 2x = cosh^2 x + sinh^2 x, sinh 2x = 2 cosh x sinh x. The
    error e becomes less than 2 (|cosh| + |sinh| + e) e + 2; bits are added for that, and for cosh x < 2^(3 x / 2 + 1).
    """
    m = max(n.bit_length() - d.bit_length() + 1, 0)
    w = s + 2 * m + 20 + (3 * n // (2 * d) if sign > 0 else 0)
    (c, e), (y, more) = (series((n << w) // (d << m), w, first, sign, True) for first in (0, 1))
    e = max(e, more)
    for _ in range(m): c, y, e = c * c + sign * y * y >> w, 2 * c * y >> w, (2 * (abs(c) + abs(y) + e) * e >> w) + 2
    return c >> w - s, y >> w - s, (e >> w - s) + 2

def exp(n: int, d: int, s: int) -> tuple[int, int]:
    """Enclose exp(x) = cosh x + sinh x, and exp(-x) = 1 / exp(x). No format has 2^5900, or tells 2^-5900 from 0."""
    if n <= 0:
        lo, hi = exp(-n, d, s) if n else (1 << s, 1 << s)
        return (1 << 2 * s) // hi, -((-1 << 2 * s) // lo)
    if n > 4096 * d: return 1 << s + 5900, 1 << s + (1 << 22)  # it is enough to know that it is large
    c, y, e = doubled(n, d, s, 1)
    return max(c + y - 2 * e, 1 << s), c + y + 2 * e

def log(n: int, d: int, s: int) -> tuple[int, int]:
    """Enclose log(x) = 2 atanh((m - 1) / (m + 1)) + 2 k atanh(1/3), x = 2^k m, 2/3 <= m <= 4/3: the first of <= 1/5."""
    k = n.bit_length() - d.bit_length()
    n, d = n << max(-k, 0), d << max(k, 0)  # 1/2 < n / d < 2
    k, n, d = (k + 1, n, 2 * d) if 3 * n > 4 * d else (k - 1, 2 * n, d) if 3 * n < 2 * d else (k, n, d)
    (a, e), (b, more) = (series((x << w) // y, w, 1, 1, False) for x, y, w in ((abs(n - d), n + d, s), (1, 3, s + 20)))
    middle, wide = 2 * (a if n > d else -a) + (2 * k * b >> 20), 2 * e + (2 * abs(k) * more >> 20) + 2
    return (0, 0) if n == d and k == 0 else (middle - wide, middle + wide)

def enclosed(op: str, x: Number, constants: Sequence[Any], s: int) -> tuple[Any, Any]:
    """Enclose the value of a function; where it is a fraction or not finite, both ends are the value."""
    if x != x or (op in ("sin", "cos") and isinstance(x, float)) or (op in ("log", "sqrt") and x < 0):
        return math.nan, math.nan
    if op in ("relu", "clip"):
        return 2 * (max(x, Fraction(0)) if op == "relu" else min(constants[1], max(x, constants[0])),)
    if isinstance(x, float):
        far = {"sigmoid": (0, 1), "tanh": (-1, 1), "exp": (0, x), "softplus": (0, x), "elu": (-sum(constants), x)}
        return 2 * (exactly(far.get(op, (x, x))[x > 0]),)
    if op in ("floor", "elu", "log") and (op == "floor" or x == 0 or (op == "elu" and x > 0)):
        return 2 * (Fraction(math.floor(x)) if op == "floor" else x if op == "elu" else -math.inf,)
    n, d = x.as_integer_ratio()
    if op == "sqrt":
        root, low = Fraction(math.isqrt(n), math.isqrt(d)), Fraction(math.isqrt((n << 2 * s) // d), 1 << s)
        return (root, root) if root * root == x else (low, low + Fraction(1, 1 << s))
    lo, hi = in_units(op, n, d, constants, s)
    return Fraction(lo, 1 << s), Fraction(hi, 1 << s)

def in_units(op: str, n: int, d: int, constants: Sequence[Any], s: int) -> tuple[int, int]:
    """Enclose it in units. Each formula is monotonic in exp(x), so that the ends of one give those of the other."""
    one = 1 << s
    if op in ("sin", "cos"):
        c, y, e = doubled(abs(n), d, s, -1) if n else (one, 0, 0)
        value = c if op == "cos" else y if n > 0 else -y
        return value - e, value + e
    if op == "softplus":  # max(x, 0) + log(1 + exp(-|x|))
        ends, more = [log(one + end, one, s) for end in exp(-abs(n), d, s)], (max(n, 0) << s) // d
        return ends[0][0] + more, ends[1][1] + more + 1
    lo, hi = log(n, d, s) if op == "log" else exp(2 * n if op == "tanh" else n, d, s)
    if op in ("sigmoid", "tanh"):  # 1 - 1 / (1 + exp(x)), 1 - 2 / (1 + exp(2 x))
        top = one * one << (op == "tanh")
        return one + -top // (one + lo), one - top // (one + hi)
    low, high = sorted([constants[0] * (lo - one), constants[0] * (hi - one)]) if op == "elu" else (lo, hi)
    return math.floor(low), math.ceil(high)

# --- Numbers ---------------------------------------------------------------------------------------------------------
# A number is a Fraction, or a float where NaN or an infinity is among the operands, since nothing needs rounding there.
# A recorded value r is judged by the recorded operands of its line: the answer is "", or what is derived in its place.
Number = Fraction | float
DIGITS = (128, 256, 512, 1024, 2048, 4096, 8192)  # of an enclosure: more and more, until its ends decide
FORMATS = {"float64": (53, -1074, -1022, 1024), "float32": (24, -149, -126, 128)}  # significant bits; exponents of the
FORMATS |= {"float16": (11, -24, -14, 16), "bfloat16": (8, -133, -126, 128)}  # least, least normal, first too large one

def exactly(x: Any) -> Number:
    """Return a number as a fraction, if it is finite."""
    return Fraction(x) if math.isfinite(x) else x

def nearest(x: Number, form: str = "float64") -> float:
    """Round to the nearest number of a format, ties to even; what is too large becomes infinite."""
    if isinstance(x, float): return x
    (n, d), (bits, least, _, most) = x.as_integer_ratio(), FORMATS[form]
    e = max(n.bit_length() - d.bit_length() - bits, least)  # |x| / 2^e is below 2^(bits+1)
    while True:
        q, rest = divmod(n << max(-e, 0), bottom := d << max(e, 0))
        q += 2 * rest > bottom or (2 * rest == bottom and q & 1)
        if not abs(q) >> bits:
            return math.ldexp(q, e) if q.bit_length() + e <= most else math.inf if n > 0 else -math.inf
        e += 1

@lru_cache(4096)
def whole(values: tuple[float, ...]) -> tuple[list[int], int]:
    """Return values as integers of 2^-s, and s; rows of weights are asked for again and again."""
    if not all(map(math.isfinite, values)): raise UnknownError("an operand is NaN or infinite")
    ratios = [x.as_integer_ratio() for x in values]
    s = max(d.bit_length() for _, d in ratios) - 1
    return [(n << s) // d for n, d in ratios], s

def near(r: float, e: Fraction, bound: Fraction, why: str) -> str:
    """Judge r beside a value e that has a bound."""
    right = math.isfinite(r) and abs(Fraction(r) - e) <= bound
    return "" if right else f"{float(e)!r} ± {float(bound):.3g} ({why})"

class Rounding:
    """How operands are read, and what is rounded where. `fixed`: one order and one result, in place of a bound."""
    def __init__(self, name: str, dtype: str) -> None:
        self.fixed, self.form = bool(name), name or dtype
        hand, point = (re.fullmatch(form, name, re.A) for form in (r"by-hand-(1[0-5]|\d)", r"q([1-9]\d?)\.(\d\d?)"))
        right = int(point[1]) + int(point[2]) <= 32 if point else hand or (self.form in FORMATS and name != "float64")
        need(right, f"unknown arithmetic {shown(name)}")
        self.hand, self.point = 10 ** int(hand[1]) if hand else 0, 2 ** int(point[2]) if point else 0
        self.limit = self.point * 2 ** int(point[1]) // 2 if point else 0

    def rounded(self, x: Number) -> Number:
        """Round a result."""
        if self.point and x == x:
            units = round(min(max(x * self.point, -self.limit), self.limit))
            return Fraction(min(units, self.limit - 1), self.point)
        if isinstance(x, float) or (self.hand and abs(x) >= 10**60): return x
        units = math.floor(abs(x) * self.hand + Fraction(1, 2)) if self.hand else 0
        return Fraction(units if x > 0 else -units, self.hand) if self.hand else exactly(nearest(x, self.form))

    def read(self, values: Sequence[float]) -> list[Any]:
        """Read stored numbers: as they are, by hand as the shortest decimals that read back equal, else rounded."""
        found = [Fraction(repr(x)) if self.hand and math.isfinite(x) else exactly(x) for x in values]
        found = list(map(self.rounded, found)) if self.fixed and not self.hand else found
        return found if all(isinstance(x, Fraction) for x in found) else list(map(nearest, found))

    def constants(self, line: Line) -> list[Number]:
        """Read the numbers of elu and clip: rounded to the type of the trace, or decimals as written."""
        return [Fraction(repr(x)) if self.fixed else self.rounded(Fraction(x)) for x in line.constants]

    def total(self, terms: Sequence[Number]) -> Number:
        """Add, from left to right. By hand and in fixed point only the complete sum is rounded."""
        value, exact = terms[0], bool(self.hand or self.point)
        for term in terms[1:]: value = value + term if exact else self.rounded(value + term)
        return self.rounded(value) if exact else value

    def exact(self, line: Line, values: Sequence[float]) -> Any:
        """Return the value of a unit where one result is right, from its operands."""
        x, op = self.read(values), line.op
        if op in UNARY:
            for s in DIGITS:
                low, high = map(self.rounded, enclosed(op, x[0], self.constants(line), s))
                if low != low or nearest(low) == nearest(high): return low
            raise UnknownError("its value is too near to the middle between two numbers")
        if op in ("add", "sum", "mean"):
            signs = line.constants or [1] * len(x)
            total = self.total([term if sign > 0 else -term for sign, term in zip(signs, x, strict=True)])
            return self.rounded(total / len(x)) if op == "mean" else total
        if op in ("max", "maximum"): return math.nan if any(value != value for value in x) else max(x)
        if op in (">", "where"): return self.read([float(x[0] > x[1])])[0] if op == ">" else x[1] if x[0] != 0 else x[2]
        if op == "/" and x[1] == 0:  # the sign of the zero matters
            infinite = math.copysign(math.inf, x[0]) * math.copysign(1, values[1])
            return math.nan if x[0] == 0 or x[0] != x[0] else infinite
        if op in ("*", "outer", "/"): return self.rounded(x[0] / x[1] if op == "/" else x[0] * x[1])
        return self.rounded(-x[0]) if op == "neg" else x[0]  # copy, slice, concat

    def within_roundings(self, pairs: Sequence[Any], divisor: int, k: int, r: float) -> str:
        """Judge r beside the exact value e of a sum of products, with k roundings."""
        (bits, least, normal, most), e, size = FORMATS[self.form], Fraction(0), Fraction(0)
        for x, y in pairs:
            (a, i), (b, j) = whole(x), whole(y)
            products = [p * q for p, q in zip(a, b, strict=True)]
            e += Fraction(sum(products), divisor << i + j)
            size += Fraction(sum(map(abs, products)), divisor << i + j)
        if 2 * (k + 2) >= 1 << bits or (size >= 1 << most - 1 and nearest(size, self.form) == math.inf):
            raise UnknownError("the terms are too large, or too many, for a bound")
        bound = Fraction(k, (1 << bits) - k) * size + Fraction(k, 1 << -least)
        return "" if r == 0 and abs(e) < Fraction(1, 1 << -normal) else near(r, e, bound, f"{k} roundings")

    def within_epsilons(self, line: Line, x: float, r: float) -> str:
        """Judge r beside the value e of a function: |r - e| <= p epsilon |e| + least normal number, lo <= e <= hi.

        On one side of 0 the difference is convex in e, and linear if r is not between lo and hi: it has one sign for
        all e if it has that at lo, at hi, and at the number between them that is nearest to 0.
        """
        (bits, _, normal, _), p = FORMATS[self.form], EPSILONS[line.op]
        for lo, hi in (enclosed(line.op, exactly(x), self.constants(line), s) for s in DIGITS):
            infinite = [math.isinf(nearest(end, self.form)) for end in (lo, hi)]
            if isinstance(lo, float) or all(infinite): break
            points = (lo, hi, max(lo, min(hi, Fraction(0))))
            ends = [(e, Fraction(abs(e) * p, 1 << bits - 1) + Fraction(1, 1 << -normal)) for e in points]
            right = [not near(r, *end, "") for end in ends]
            if all(right) and not any(infinite): return ""
            if not any([*right, *infinite, lo < r < hi]): return near(r, *ends[0], f"{p} epsilon")
        raise UnknownError("an operand or the exact value is not finite, or too large")

    def judged(self, line: Line, unit: Any, r: float) -> str:
        """Judge the value of a unit by what it reads."""
        if line.op in SUMS and not self.fixed:
            n, less = sum(len(x) for x, _ in unit), line.op == "sum" or (line.op == "steps" and not any(line.constants))
            return self.within_roundings(unit, n if line.op == "mean" else 1, n - less, r)
        if line.op in EPSILONS and not self.fixed: return self.within_epsilons(line, unit[0], r)
        if line.op in SUMS and line.op not in ("sum", "mean"):
            products = [[x * y for x, y in zip(*map(self.read, pair), strict=True)] for pair in unit]  # exact in qM.N
            values = [self.total(of if self.point else list(map(self.rounded, of))) for of in products]
            value = self.total(values) if len(values) > 1 else values[0]
        else: value = self.exact(line, unit[0][0] if line.op in SUMS else unit)
        x, normal = nearest(value), math.ldexp(1, FORMATS["float64" if self.fixed else self.form][2])
        return "" if x == r or (x != x and r != r) or (r == 0 and -normal < value < normal) else repr(x)  # 0 = -0

# --- The walk --------------------------------------------------------------------------------------------------------
# Every stage, in the order of the file; its steps in the order in which it visits them; its lines in their order.
LISTED = 100  # refuted values and reasons that are printed
Place = namedtuple("Place", "rows shape missing", defaults=[(), (), ""])  # a row for each step and sequence, or one

def rows(flat: Any, wide: int) -> list[Any]:
    """Return a matrix as its rows."""
    return [flat[at : at + wide] for at in range(0, len(flat), wide)]

UNITS: dict[str, Callable[..., Any]] = {  # what each unit reads: of SUMS pairs of vectors of factors, of others numbers
    "matvec": lambda matrix, vector, wide: [[(row, vector)] for row in rows(matrix, wide)],
    "vecmat": lambda vector, matrix, wide: [[(vector, column)] for column in zip(*rows(matrix, wide), strict=True)],
    "memvec": lambda matrix, vector, _: UNITS["matvec"](matrix, vector, len(vector)),
    "vecmem": lambda vector, matrix, _: UNITS["vecmat"](vector, matrix, len(matrix) // len(vector)),
    "steps": lambda *of: zip(*([(a, b) for a in x for b in y] for x, y in rows(of[:-1], 2)), strict=True),
    **dict.fromkeys(("sum", "mean"), lambda vector, _: [[(vector, (1.0,) * len(vector))]]),
    **dict.fromkeys(SAME, lambda *of: zip(*(v * (len(v) > 1 or max(map(len, of[:-1]))) for v in of[:-1]), strict=True)),
    "outer": lambda a, b, _: [(x, y) for x in a for y in b],
    "concat": lambda *of: [[x] for vector in of[:-1] for x in vector],
    "slice": lambda vector, ends: [[vector[at]] for at in range(*ends)],
    "max": lambda vector, _: [vector],
}

class Check:
    """Judge every value of a trace, or `sample` values of each line."""
    def __init__(self, trace: ReadTrace, sample: int = 0) -> None:
        self.trace, self.sample, self.arithmetic = trace, max(sample, 0), Rounding(trace.arithmetic, trace.dtype)
        self.proved = self.refuted = self.left = 0
        self.findings, self.unknown, self.place = list[str](), dict[str, int](), cache(self._place)
        weights = {(stage.weights, name) for stage in trace.stages.values() for name in stage.cell.parameters}
        for scope, stage in trace.stages.items():
            cell, have = stage.cell, {key: trace.arrays[key][scope] for key in [*AXES][:5]}
            extra = {name for name in have["parameters"] if (scope, name) not in weights}
            extra |= {name for name in have["given"] if name not in cell.inputs or stage.sources.get(name) != "given"}
            extra |= have["initial"].keys() - cell.carry.keys() | have["lines"].keys() - set(stage.computed)
            extra |= have["sums"].keys() ^ cell.sums.keys() if have["sums"] else set()
            need(not extra, f"{scope}: nothing computes or reads {shown(sorted(extra))}, or it is a sum without values")
            for name in cell.choices & have["given"].keys():
                need({*flat(have["given"][name].rows)} <= {0, 1}, f"{scope}/{shown(name)} is not 0 or 1")
        for stage in trace.stages.values(): self._judge_stage(stage)
        names = {name for key in ("lines", "given", "sums") for group in trace.arrays[key].values() for name in group}
        for name in (re.sub(r"\[[^:\]]*\]$", "", str(asked).split("/")[-1]) for asked in trace.ask):
            if name not in names: self._note(f"{shown(name)} was asked for and has no values", 0)
        self.status = 1 if self.refuted else 3 if self.unknown or not self.proved else 0

    def _note(self, reason: str, size: int) -> None:
        reason = reason if len(self.unknown) < LISTED else "others"
        self.unknown[reason] = self.unknown.get(reason, 0) + size

    def _place(self, scope: str, name: Operand) -> Place:
        """Find the values of a name that a line of a stage reads."""
        trace, stage, where = self.trace, self.trace.stages[scope], f"{scope}/{shown(name)}"
        cell, batch = stage.cell, trace.batch
        lines, given, initials = (trace.arrays[key][scope] for key in ("lines", "given", "initial"))
        if isinstance(name, float): return Place([(nearest(Fraction(name), trace.dtype),)])
        source = stage.sources.get(name, "") if name in cell.inputs else ""
        if values := lines.get(name) or {**trace.common, "given": given.get(name)}.get(source):
            return Place(values.rows)
        if name in cell.carry:
            before, initial = self.place(scope, cell.carry[name]), initials.get(name)
            if not initial: return Place(missing=f"the initial value of {shown(name)}")
            if before.missing: return before if trace.steps > 1 else Place(initial.rows)
            need(initial.shape[1] == len(before.rows[0]), f"{where}: the initial value has another width")
            return Place(before.rows[batch:] + initial.rows if stage.backwards else initial.rows + before.rows[:-batch])
        if name in cell.lines or source in ("x", "given"): return Place(missing=shown(name))
        if name in cell.inputs:
            layer, direction, read = (*source.split("/", 2), "", "")[:3]
            there = trace.stages.get(f"{layer}/{direction}", stage)
            need(there.number < stage.number, f"{where} has no source {shown(source)}")
            names = there.cell.lines.keys() | there.cell.carry.keys() | there.cell.inputs
            need(read in names, f"{where}: there is no {shown(source)}")
            return self.place(there.scope, read)
        weights = trace.arrays["parameters"].get(stage.weights, {}).get(name)
        return Place([flat(weights.rows)], weights.shape) if weights else Place(missing=shown(name))

    def _judge_stage(self, stage: Stage) -> None:
        """Judge the lines of a stage, step by step, and then its sums over all steps and sequences."""
        trace, scope, jobs, wide = self.trace, stage.scope, list[Any](), dict[Operand, int]()  # columns of matrices
        for line in [*(stage.cell.lines[name] for name in stage.computed), *stage.cell.sums.values()]:
            kind, places = "sums" if line.op == "steps" else "lines", [self.place(scope, x) for x in line.operands]
            outer = len(places[1].rows[0]) if line.op == "outer" and places[1].rows else 0
            columns = outer or max((wide.get(x, 0) for x in line.operands if line.op in SAME), default=0)
            wide |= {line.name: columns} if kind == "lines" else {}
            if recorded := trace.arrays[kind][scope].get(line.name):
                why = [f"{place.missing}, which is not in the file" for place in places if place.missing]
                size = math.prod(recorded.shape)
                if kind == "sums" and trace.steps * trace.batch * len(places) * size > 10**6 + 500 * trace.size:
                    why = ["far more factors than the file has numbers"]
                some = random.SystemRandom().sample(range(size), min(self.sample, size)) if self.sample else range(size)
                if why: self._note(f"{scope}/{shown(line.name)} reads {why[0]}", size)
                else:
                    jobs.append((line, places, recorded, {*some}, columns))
                    self.left += size - len(some)
        steps, rows, lines = range(trace.steps), range(trace.batch), [job for job in jobs if job[0].op != "steps"]
        visits = ((k, job, b) for k in steps[:: -1 if stage.backwards else 1] for job in lines for b in rows)
        for k, job, b in visits: self._judge(stage, k * trace.batch + b, *job)
        for job in [job for job in jobs if job[0].op == "steps"]: self._judge(stage, -1, *job)

    def _judge(self, stage: Stage, at: int, line: Line, places: Any, recorded: Array, some: Any, columns: int) -> None:
        """Judge a row of a line, or a sum. An address has scope, position and sequence, name, unit."""
        trace, name = self.trace, shown(line.name, 2000)
        values, vectors = recorded.rows[at], [place.rows[at % len(place.rows)] for place in places]
        where = f"{stage.scope}/{trace.first + at // trace.batch}/{at % trace.batch}/{name}"
        if line.op == "steps":
            every = range(trace.steps * trace.batch)
            vectors = [list(zip(*(of.rows[k % len(of.rows)] for k in every), strict=True)) for of in places]
            values, where, at, columns = flat(recorded.rows), f"{stage.scope}/{name}", 0, (*recorded.shape, 0)[1]
            weight = trace.arrays["parameters"].get(stage.weights, {}).get(stage.cell.gradient.get(line.name))
            shapes = [tuple(map(len, vectors[2 * i : 2 * i + 1 + outer])) for i, outer in enumerate(line.constants)]
            need(recorded.shape in ([weight.shape] if weight else shapes), f"the sum {where} has a wrong shape")
        picked = [i for i in range(len(values)) if at * len(values) + i in some]
        if not picked: return
        try:
            extra = places[line.op == "vecmat"].shape[1] if line.op in ("matvec", "vecmat") else line.constants
            found = list(UNITS[line.op](*vectors, extra))
            right = line.op not in SUMS or all(len(a) == len(b) for unit in found for a, b in unit)
        except (ValueError, LookupError, ZeroDivisionError):
            raise RefusedError(f"{where}: the widths of its operands do not fit {line.op}") from None
        need(right and len(found) == len(values), f"{where} should have the width {len(found)}")
        for i in picked:
            try: derived = self.arithmetic.judged(line, found[i], values[i])
            except UnknownError as error:
                self._note(f"{stage.scope}/{shown(line.name)}: {error}", 1)
                continue
            self.proved, self.refuted = self.proved + (not derived), self.refuted + bool(derived)
            if derived and len(self.findings) < LISTED:
                unit = f"{i // columns},{i % columns}" if columns else i
                self.findings.append(f"{where}[{unit}]: recorded {values[i]!r}, derived {derived}")
            if (self.proved + self.refuted) % 1000 == 0 and sys.stderr.isatty():
                print(f"\r{self.proved + self.refuted:,} values\r", end="", file=sys.stderr)

# --- Command line ----------------------------------------------------------------------------------------------------
def report(path: Path, check: Check, quiet: bool) -> Iterator[str]:
    """Write what was found."""
    trace, verdict = check.trace, {0: "proved", 1: "refuted", 3: "inconclusive"}[check.status]
    counts = f"{check.proved:,} values proved, {check.refuted:,} refuted, {sum(check.unknown.values()):,} not decided"
    yield f"{shown(path)}: {verdict}: {counts}" + (f"; {check.left:,} were not in the sample" if check.left else "")
    yield from (f"  refuted: {finding}" for finding in check.findings)
    yield from [f"  and {check.refuted - LISTED:,} more"] if check.refuted > LISTED else []
    yield from (f"  inconclusive: {reason} ({count:,} values)" for reason, count in check.unknown.items())
    common = ", ".join({"x": "x", "valid": "lengths or mask"}[key] for key, array in trace.common.items() if array)
    steps = f"steps {trace.first} to {trace.first + trace.steps - 1}, {trace.batch} sequences"
    yield from [] if quiet else [f"  {steps}, {trace.arithmetic or trace.dtype}; premises {common or 'none'} and:"]
    for scope, stage in () if quiet else trace.stages.items():
        parts = {"": trace.arrays["parameters"], "initial ": trace.arrays["initial"], "given ": trace.arrays["given"]}
        names = [f"{key}{shown(name)} {list(of[scope][name].shape)}" for key, of in parts.items() for name in of[scope]]
        sources = [f"{shown(name)} from {shown(source)}" for name, source in stage.sources.items()]
        yield f"  {scope}: premises {', '.join(names) or 'none'}; inputs {', '.join(sources) or 'none'}; equations:"
        for row in stage.cell.text.splitlines():  # whole, and without gaps in which a part is overlooked
            yield f"    {shown(' '.join(row.split()), len(row))}"

def main() -> int:
    """Check the files of the command line; return the exit status."""
    parser = argparse.ArgumentParser(description="Prove or refute every value of a trace from the specification alone.")
    parser.add_argument("traces", nargs="+", type=Path, metavar="TRACE")
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="judge N random values of each line and sum")
    parser.add_argument("--quiet", action="store_true", help="print neither premises nor equations")
    options, statuses = parser.parse_args(), set()
    warnings.simplefilter("ignore")  # Python's parser warns of odd expressions
    for path in options.traces:
        try:
            check = Check(ReadTrace(path), options.sample)
            print("\n".join(report(path, check, options.quiet)))
            statuses.add(check.status)
        except UnknownError as error:
            print(f"{shown(path)}: inconclusive: {error}")
            statuses.add(3)
        except Exception as error:  # a file that this program cannot follow must not look refuted, which is status 1
            why = str(error) if isinstance(error, RefusedError) else f"cannot be judged: {error!r}"
            if isinstance(error, AttributeError | TypeError | ValueError | LookupError): why = "a part has a wrong type"
            print(f"{shown(path)}: {shown(why)}", file=sys.stderr)
            statuses.add(2)
    return next(status for status in (2, 1, 3, 0) if status in statuses)

if __name__ == "__main__": sys.exit(main())
