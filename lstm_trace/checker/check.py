#!/usr/bin/env python3
"""Prove or refute every value of a trace of a recurrent network (lstm-trace/1) from the specification alone.

    python3 check.py TRACE… [--sample N] [--quiet]

A trace (.json or .safetensors) has the equations of a network, its weights and inputs (the premises), and the value
of every line of the equations at every step. This program derives each value again from the recorded values that its
equation reads, with exact integers and fractions, and compares. It was written from the page docs/trace-format.md
alone, shares no code with the program that made the trace, and needs Python 3.11 and nothing else: it can be kept
beside the traces of a paper, and read as a whole.

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
together are small. "Inconclusive" is what cannot be decided: an operand that is not in the file, a bound that is not
finite, what no version of the format that this program knows defines.

Exit status: 0 every value is proved, 1 a value is refuted, 3 inconclusive, 2 a file is no trace or contradicts itself.
"""

from __future__ import annotations

import argparse
import ast
import json
import math
import random
import re
import struct
import sys
import warnings
from array import array
from bisect import bisect
from collections.abc import Callable, Iterator, Sequence
from decimal import Context, Decimal
from fractions import Fraction
from functools import cache
from itertools import accumulate
from operator import mul, neg, truediv
from pathlib import Path
from typing import Any, NamedTuple


class RefusedError(Exception):
    """The file is not a trace, or it contradicts itself; the message says where."""


class UnknownError(Exception):
    """A value cannot be decided; the message says why."""


# --- Files -----------------------------------------------------------------------------------------------------------
# They come from strangers: nothing is evaluated, and nothing is made that is much larger than the file.

REQUIRED, ARRAYS = {"format", "steps", "batch", "stages", "cell"}, {"parameters", "inputs", "lines", "sums"}
STATEMENTS = """title title_tex notes merge padding names symbols aliases count_from imported batched batch_first plan
    agreement mistakes replaced digits language notation ask"""
KEYS = REQUIRED | ARRAYS | {"dtype", "first", "arithmetic", *STATEMENTS.split()}
CODES = {"float64": "d", "float32": "f", "float16": "e", "F64": "d", "F32": "f", "I64": "q"}
WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class Array(NamedTuple):
    """Numbers of one shape, row by row."""

    shape: tuple[int, ...]
    flat: Sequence[float]


class Stage(NamedTuple):
    """One cell in one place of the network. `weights` is the scope of its parameters; an adjoint reads its stage's."""

    scope: str
    cell: Cell
    sources: dict[str, str]
    computed: list[str]
    backwards: bool
    weights: str


def shown(value: object, most: int = 200) -> str:
    """Return a text of a file as it can be printed: one line, not too long, nothing that moves a cursor."""
    text = "".join(c if c.isprintable() else "?" for c in str(value)[: most + 1])
    return text if len(text) <= most else text[: most - 3] + "..."


def need(condition: object, message: str) -> None:
    """Refuse the file unless the condition holds."""
    if not condition:
        raise RefusedError(message)


def parsed_json(text: bytes | str) -> dict[str, Any]:
    """Read one object. A key occurs once, the sign of -0 is kept."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        need(len(dict(pairs)) == len(pairs), f"a key occurs twice among {shown([key for key, _ in pairs])}")
        return dict(pairs)

    try:
        found = json.loads(text, object_pairs_hook=unique, parse_int=lambda n: -0.0 if n == "-0" else int(n))
    except (ValueError, TypeError, RecursionError) as error:  # what is not UTF-8, too; lists that are nested too deeply
        raise RefusedError(f"not JSON: {shown(error)}") from None
    need(isinstance(found, dict), "not a JSON object")
    return dict(found)


def tensors(data: bytes) -> dict[str, Any]:
    """Read a .safetensors file into the form of a .json file, with arrays in place of lists."""
    start = int.from_bytes(data[:8], "little") + 8
    need(start <= len(data), "the header is longer than the file")
    header, used = parsed_json(data[8:start]), start
    document = parsed_json(dict(header.pop("__metadata__", {})).get("manifest", "null"))
    need(not ARRAYS & set(document), "the manifest has arrays, which are tensors in this format")
    for name, tensor in header.items():
        at = re.fullmatch(r"(?:(parameters|lines|sums|inputs/given|initial)/([^/]+/[^/]+)|(inputs))/([^/]+)", name)
        fields: Any = [dict(tensor).get(key) for key in ("dtype", "shape", "data_offsets")]
        kind, shape, ends = fields
        part, scope, plain, last = at.groups() if at else ("", "", "", "")
        right = at and kind in (("I64",) if plain and last in ("lengths", "mask") else ("F64", "F32"))
        right = right and all(type(n) is int and n >= 0 for n in [*shape, *ends])
        size = math.prod(shape) * int(kind[1:]) // 8 if right else 0
        right = size > 0 and ends[1] - ends[0] == size and start + ends[1] <= len(data)
        need(right, f"tensor {shown(name)}: its name, dtype, shape or offsets are wrong")
        values = Array(tuple(shape), struct.unpack_from(f"<{math.prod(shape)}{CODES[kind]}", data, start + ends[0]))
        path = ["inputs", last] if plain else [*part.split("/"), scope, last]
        place, path = document, ["inputs", "initial", last, scope] if part == "initial" else path
        for key in path[:-1]:
            place = place.setdefault(key, {})
        place[path[-1]], used = values, used + size
    need(used == len(data), "the tensors do not fill the file")
    return document


def numbers(value: Any, axes: Sequence[int], dtype: str, where: str) -> Array:
    """Read lists of lists, or a tensor, that has one of these numbers of axes; round to the type of the trace."""
    shape: tuple[int, ...] = value.shape if isinstance(value, Array) else ()
    flat: list[Any] = list(value.flat) if isinstance(value, Array) else [value]
    while isinstance(flat[0], list) and len(shape) < 4:
        right = all(isinstance(row, list) and row and len(row) == len(flat[0]) for row in flat)
        need(right, f"{where} is ragged or empty")
        shape, flat = (*shape, len(flat[0])), [item for row in flat for item in row]
    flat = [WORDS.get(item, item) if isinstance(item, str) else item for item in flat]
    kinds = (int, float, bool) if where == "mask" else (int, float)
    right = len(shape) in axes and all(type(item) in kinds for item in flat)
    need(right, f"{where} is not {axes[0]} lists of numbers in one another")
    code = f"<{len(flat)}{CODES[dtype]}"
    try:
        return Array(shape, array("d", struct.unpack(code, struct.pack(code, *flat))))
    except OverflowError:
        raise RefusedError(f"{where} has a number that is too large for {dtype}") from None


def part(of: dict[str, Any], key: str, kind: type, default: object = None) -> Any:
    """Return what a key of an object has, which must be of this type."""
    value = default if of.get(key) is None else of[key]
    need(isinstance(value, kind) and type(value) is not bool, f"{shown(key)} is missing, or no {kind.__name__}")
    return value


class Trace:
    """What a file holds; what the format does not allow is refused."""

    def __init__(self, path: Path) -> None:
        try:
            data = path.read_bytes()
        except (OSError, ValueError) as error:
            raise RefusedError(f"cannot be read: {shown(error)}") from None
        document = tensors(data) if path.suffix == ".safetensors" else parsed_json(data)
        need(document.get("format") == "lstm-trace/1", "not a trace: its format is not lstm-trace/1")
        need(REQUIRED <= set(document) <= KEYS, f"unknown or missing keys: {shown(set(document) - KEYS or REQUIRED)}")
        self.dtype, self.first = part(document, "dtype", str, "float64"), part(document, "first", int, 0)
        self.steps, self.batch = part(document, "steps", int), part(document, "batch", int)
        self.arithmetic, self.ask = part(document, "arithmetic", str, ""), part(document, "ask", list, [])
        dtypes = ["float64"] if self.arithmetic else ["float64", "float32", "float16"]
        need(self.dtype in dtypes, f"wrong dtype {shown(self.dtype)}")
        need(min(self.steps, self.batch, self.first + 1) >= 1, "steps and batch are at least 1, first at least 0")
        need(self.steps * self.batch <= len(data), "it has more steps than the file has bytes")
        self.stages: dict[str, Stage] = {}
        for entry in part(document, "stages", list):
            self._add(dict(entry))
        inputs = part(document, "inputs", dict, {})
        need(set(inputs) <= {"x", "lengths", "mask", "h0", "c0", "initial", "given"}, "unknown keys in inputs")
        states = {key[0] + "_prev": inputs[key] for key in ("h0", "c0") if key in inputs}
        initial: dict[str, Any] = {}  # by scope first, as all else
        for state, group in (part(inputs, "initial", dict, {}) | states).items():
            for scope, value in part({state: group}, state, dict, {}).items():
                initial.setdefault(scope, {})[state] = value
        self.initial = self._scoped({"initial": initial}, "initial", [2], self.batch)
        self.parameters, self.sums = (self._scoped(document, key, [1, 2]) for key in ("parameters", "sums"))
        self.lines = self._scoped(document, "lines", [3], self.steps, self.batch)
        self.given = self._scoped(inputs, "given", [3], self.steps, self.batch)
        x, lengths, mask = (inputs.get(key) for key in ("x", "lengths", "mask"))
        need(lengths is None or mask is None, "both lengths and mask")
        self.x = x if x is None else numbers(x, [3], self.dtype, "x")
        self.valid: Array | None = None  # 1 or 0
        if lengths is not None:
            ends = numbers(lengths, [1], "float64", "lengths").flat
            right = len(ends) == self.batch and all(n in range(self.first + self.steps + 1) for n in ends)
            need(right, "lengths are not whole numbers up to the last step, one for each sequence")
            flat = [float(self.first + k < n) for k in range(self.steps) for n in ends]
            self.valid = Array((self.steps, self.batch, 1), flat)
        if mask is not None:
            marks = numbers(mask, [2], "float64", "mask")
            need(set(marks.flat) <= {0, 1}, "mask has other numbers than 0 and 1")
            self.valid = Array((*marks.shape, 1), marks.flat)
        for each in (self.x, self.valid):
            need(not each or each.shape[:2] == (self.steps, self.batch), "x or mask has a wrong shape")

    def _add(self, entry: dict[str, Any]) -> None:
        """Read a stage."""
        need(set(entry) <= {"layer", "direction", "equations", "sources", "computed"}, "a stage has unknown keys")
        direction = part(entry, "direction", str)
        scope = f"{part(entry, 'layer', int)}/{direction}"
        right = re.fullmatch(r"\d+/(adjoint-)?(forward|reverse|joined)", scope) and scope not in self.stages
        need(right, f"a stage is unknown, or occurs twice: {shown(scope)}")
        try:
            cell = Cell(part(entry, "equations", str))
        except (RefusedError, RecursionError) as error:
            raise RefusedError(f"equations of {scope}: {error}") from None
        sources, computed = part(entry, "sources", dict, {}), part(entry, "computed", list, list(cell.lines))
        need(all(isinstance(text, str) for text in [*sources.values(), *computed]), f"{scope}: sources, computed")
        have = set(computed)
        ordered = [name for name in cell.lines if name in have]
        need(computed == ordered, f"computed of {scope}: not lines of its cell, in their order")
        backwards = direction in ("reverse", "adjoint-forward", "adjoint-joined")
        self.stages[scope] = Stage(scope, cell, sources, computed, backwards, scope.replace("adjoint-", ""))

    def _scoped(self, of: dict[str, Any], key: str, axes: Sequence[int], *shape: int) -> dict[str, dict[str, Array]]:
        """Read the arrays of each scope, whose shapes begin with these numbers."""
        found: dict[str, dict[str, Array]] = {scope: {} for scope in self.stages}
        for scope, group in part(of, key, dict, {}).items():
            need(scope in found and isinstance(group, dict), f"{key}: no stage {shown(scope)}, or no names in it")
            for name, value in group.items():
                found[scope][name] = values = numbers(value, axes, self.dtype, f"{key} {scope}/{shown(name)}")
                need(values.shape[: len(shape)] == shape, f"{key} {scope}/{shown(name)} has a wrong shape")
        return found


# --- Equations -------------------------------------------------------------------------------------------------------
# A text becomes lines, one for each operation. The file has the values of a line under its name, so the names of
# unnamed lines must be exactly those of the page. Python's own parser reads the expressions; nothing is executed.

Operand = str | float
UNARY = ["sigmoid", "tanh", "exp", "log", "sqrt", "sin", "cos", "floor", "relu", "elu", "softplus", "clip"]
FUNCTIONS = dict.fromkeys([*UNARY, "sum", "mean"], (1, 1))  # fewest and most operands
FUNCTIONS |= {"where": (3, 3), "max": (1, 2), "outer": (2, 2), "concat": (1, 1000)}
DEFAULTS: dict[str, tuple[Any, ...]] = {"elu": (1.0,), "clip": (None, None)}  # of the numbers after the operands
SAME = {*UNARY, "add", "*", "/", "neg", "copy", ">", "where", "maximum"}  # as wide as their operands
PRODUCTS = ("matvec", "vecmat", "memvec", "vecmem")
INFIX = {ast.Mult: "*", ast.MatMult: "@", ast.Div: "/"}
LEVELS = {">": 0, "add": 1, "*": 2, "@": 2, "/": 2, "neg": 3}  # how tightly a text binds; 4: all others
DECLARATIONS = ("input", "carry", "output", "matrix", "sum", "gradient", "hold", "scale")
MOST = 20_000  # lines, calls, characters of an expression or a name: a bound for hostile texts


class Line(NamedTuple):
    """One operation. Its constants are the signs of a sum, the ends of a slice, the numbers of elu and clip."""

    name: str
    op: str
    operands: tuple[Operand, ...]
    constants: tuple[Any, ...] = ()


def parsed(text: str) -> Any:
    """Read an expression with Python's parser. It puts names into the form NFKC, as the page demands."""
    need(len(text) <= MOST, "an expression is too long")
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise RefusedError(f"not an expression: {shown(text.strip())}") from None


def named(text: str) -> str:
    """Read the name of a line, a state, an argument, …"""
    name = parsed(text)
    need(isinstance(name, ast.Name) and name.id not in FUNCTIONS, f"{shown(text.strip())} is not a name")
    return str(name.id)


class Cell:
    """The lines of a text, in order of computation, and its declarations."""

    def __init__(self, text: str) -> None:
        self.text, self.inputs = text, list[str]()
        self.lines: dict[str, Line] = {}
        self.choices: set[str] = set()  # the inputs that choose between a computed and a held value: 0 or 1
        self._functions: dict[str, ast.Lambda] = {}
        self._made: dict[str, Line] = {}  # all lines, also those that nothing needs in the end
        self._known: dict[tuple[Any, ...], str] = {}  # operation, operands and constants: the line that has them
        self._unnamed: set[str] = set()
        self._calls, equations = 0, list[tuple[str, ast.expr]]()
        declared: dict[str, list[ast.expr]] = {}
        need(len(text) <= 20 * MOST, "the text is too long")
        for row in (row.partition("#")[0].strip() for row in text.splitlines()):
            if match := re.fullmatch(rf"({'|'.join(DECLARATIONS)})\s*:(.*)", row):
                need(match[1] not in declared, f"two rows are {match[1]}")
                declared[match[1]] = parsed(f"({match[2].replace('<-', ':=')},)").elts  # a tuple of Python
            elif match := re.fullmatch(r"([^\s()=]+)\s*\(([^()]*)\)\s*=(.*)", row):
                definition = parsed(f"lambda {match[2]}: {match[3]}")
                need(isinstance(definition, ast.Lambda), f"not a definition: {shown(row)}")
                self._functions[named(match[1])] = definition
            elif row:
                name, equals, right = row.partition("=")
                need(equals, f"neither an equation nor a declaration: {shown(row)}")
                equations.append((named(name), parsed(right)))
        arrows: dict[str, dict[str, ast.expr]] = {}
        for key in ("carry", "sum", "gradient"):
            pairs = declared.get(key, [])
            need(all(isinstance(pair, ast.NamedExpr) for pair in pairs), f"{key} is without <-")
            arrows[key] = {pair.target.id: pair.value for pair in pairs if isinstance(pair, ast.NamedExpr)}
            once = key == "gradient" or len(arrows[key]) == len(pairs)
            need(once and not FUNCTIONS.keys() & arrows[key].keys(), f"{key}: wrong names")
        self.gradient = {name: ast.unparse(right) for name, right in arrows["gradient"].items()}
        self._equations, self._states = [name for name, _ in equations], list(arrows["carry"])
        for item in declared.get("input", [ast.Name("x_t")]):  # an expression: its text is its name
            self.inputs.append(str(self._build(item)))
        names = [*self._equations, *self._states, *self.inputs]
        need(len(set(names)) == len(names), "two equations, states or inputs have one name")
        for name, tree in equations:
            if (operand := self._build(tree, title=name)) != name:
                self._made[name] = Line(name, "copy", (operand,))
        self.carry = {state: str(self._build(right)) for state, right in arrows["carry"].items()}
        carried = [*self.carry.values()]
        need(all(name in self._made or name in self.inputs for name in carried), "a state carries no line and no input")
        self.sums = {name: self._sum(right) for name, right in arrows["sum"].items()}
        terms = [operand for terms in self.sums.values() for term in terms for operand in term]
        output, matrices, held, scaled = (
            [self._build(item) for item in declared.get(key, [])] for key in ("output", "matrix", "hold", "scale")
        )
        last = [*output, *(["h_t"] if "h_t" in self._equations else self._equations[-1:]), ""][0]
        for operand in [*self._equations, *carried, *terms, last]:
            self._order(operand)
        read = {operand for line in self.lines.values() for operand in line.operands}.union(terms)
        self.parameters = {name for name in read if isinstance(name, str)} - {*self.lines, *self.inputs, *self._states}
        self._find_matrices(set(map(str, matrices)))
        self._hold(set(held), set(scaled), last)

    def _build(self, tree: ast.expr, env: dict[str, Operand] | None = None, title: str = "") -> Operand:
        """Make the lines of an expression and return its operand: a name, or a number.

        The last operation has the title: the name of its equation, or the call whose body this is. In a body, `env` has
        the operands of the call in place of the arguments.
        """

        def inner(part: ast.expr) -> Operand:
            return self._build(part, env)

        def line(op: str, operands: Sequence[Operand], constants: Sequence[Any] = ()) -> str:
            key = op, tuple(operands), tuple(constants)
            if key not in self._known:
                text = self._spelled(*key)
                self._known[key] = name = title or text
                self._made[name] = Line(name, *key)
                self._unnamed |= set() if title else {text}
                need(len(self._made) <= MOST and len(text) <= MOST, "too many lines, or a name that is too long")
            return self._known[key]

        match tree:
            case ast.Constant(value=int() | float() as value) if type(value) is not bool:
                need(value <= sys.float_info.max, "a number is too large")
                return float(value)
            case ast.Name(id=read):
                right = read in env if env is not None else read not in self._equations or read in self._made
                need(right and read not in FUNCTIONS, f"{shown(read)} is no argument, or is read before its equation")
                return env[read] if env else read
            case ast.UnaryOp(op=ast.UAdd(), operand=part):
                return self._build(part, env, title)
            case ast.UnaryOp(op=ast.USub(), operand=part):
                operand = inner(part)
                return 0.0 - operand if isinstance(operand, float) else line("neg", [operand])
            case ast.BinOp(op=ast.Add() | ast.Sub()):
                signs, terms = zip(*self._terms(tree, inner, bool(env)), strict=True)
                return line("add", terms, signs)
            case ast.BinOp(op=ast.Mult() | ast.MatMult() | ast.Div() as mark, left=left, right=right):
                need(title or not isinstance(mark, ast.Div), "/ is only for the last operation of an equation")
                return line(INFIX[type(mark)], [inner(left), inner(right)])
            case ast.Compare(ops=[ast.Gt() | ast.Lt() as mark], left=left, comparators=[right]):
                pair = (left, right) if isinstance(mark, ast.Gt) else (right, left)
                return line(">", [inner(part) for part in pair])
            case ast.Subscript(value=part, slice=ast.Slice(ast.Constant(int(begin)), ast.Constant(int(end)), None)):
                return line("slice", [inner(part)], [begin, end])
            case ast.Subscript(value=part, slice=ast.Constant(int(begin))):
                return line("slice", [inner(part)], [begin, begin + 1])
            case ast.Call(func=ast.Name(id=function), args=arguments, keywords=[]):
                operands = [inner(argument) for argument in arguments]
                if function not in FUNCTIONS:
                    return self._call(function, operands, title)
                (fewest, most), defaults = FUNCTIONS[function], DEFAULTS.get(function, ())
                constants = [*operands[most:], *defaults[len(operands[most:]) :]]
                right = len(operands) >= fewest and all(type(number) is float for number in constants)
                need(right and len(constants) == len(defaults), f"{function} has wrong operands")
                two = function == "max" and len(operands) == 2
                return line("maximum" if two else function, operands[:most], constants)
        raise RefusedError(f"not allowed: {shown(ast.unparse(tree))}")

    def _call(self, function: str, operands: list[Operand], title: str) -> Operand:
        """Put the body of a composite function in place of its call."""
        if function not in self._functions:
            raise UnknownError(f"the equations do not define {shown(function)}, as those of an earlier version")
        definition = self._functions[function]
        names = [argument.arg for argument in definition.args.args]
        defaults = [self._build(default) for default in definition.args.defaults]
        plain, lacking, self._calls = len(names) - len(defaults), len(names) - len(operands), self._calls + 1
        right = 0 <= lacking <= len(defaults) and all(isinstance(default, float) for default in defaults)
        need(right and self._calls <= MOST // 4, f"{shown(function)}: wrong arguments, or too many calls")
        values = operands + defaults[len(defaults) - lacking :]
        short = values[:plain] if values[plain:] == defaults else values
        text = f"{function}({', '.join(self._text(operand) for operand in short)})"
        if text in self.inputs:
            return text
        return self._build(definition.body, dict(zip(names, values, strict=True)), title or text)

    def _terms(self, tree: ast.expr, inner: Callable[[ast.expr], Operand], body: bool) -> list[tuple[int, Operand]]:
        """Take a sum apart, from the right; in the body of a call also the sums that are its arguments."""

        def unsigned(tree: ast.expr, sign: int = 1) -> tuple[int, ast.expr]:
            while isinstance(tree, ast.UnaryOp):
                sign, tree = -sign if isinstance(tree.op, ast.USub) else sign, tree.operand
            return sign, tree

        parts, (sign, rest) = [], unsigned(tree)
        while sign > 0 and isinstance(rest, ast.BinOp) and isinstance(rest.op, ast.Add | ast.Sub):
            parts.append(unsigned(rest.right, 1 if isinstance(rest.op, ast.Add) else -1))
            sign, rest = unsigned(rest.left)
        terms: list[tuple[int, Operand]] = []
        for sign, part in [(sign, rest), *reversed(parts)]:  # noqa: B020
            operand = inner(part)
            while body and operand in self._unnamed and (line := self._made[str(operand)]).op == "neg":
                sign, operand = -sign, line.operands[0]
            if body and operand in self._unnamed and line.op == "add" and not terms and sign > 0:
                terms = list(zip(line.constants, line.operands, strict=True))
            else:
                terms.append((-sign, -operand) if isinstance(operand, float) and operand < 0 else (sign, operand))
        return terms

    def _sum(self, tree: ast.expr) -> list[list[Operand]]:
        """Read the terms of a sum over steps: one operand each, or the two of an outer product."""
        match tree:
            case ast.BinOp(op=ast.Add(), left=left, right=right):
                return self._sum(left) + self._sum(right)
            case ast.Call(func=ast.Name(id="outer"), args=[left, right]):
                return [[self._build(left), self._build(right)]]
        return [[self._build(tree)]]

    def _text(self, operand: Operand, least: int = 0) -> str:
        """Write an operand, in parentheses if it binds less tightly than its place needs."""
        if isinstance(operand, float):
            text, level = repr(operand).removesuffix(".0"), 3 if operand < 0 else 4
        else:
            text, level = operand, LEVELS.get(self._made[operand].op, 4) if operand in self._unnamed else 4
        return text if level >= least else f"({text})"

    def _spelled(self, op: str, operands: tuple[Operand, ...], constants: tuple[Any, ...]) -> str:
        """Return the canonical text of an operation."""
        first, last = operands[0], operands[-1]
        if op == "add":
            rest = zip(constants[1:], operands[1:], strict=True)
            text = self._text(first, 2) if constants[0] > 0 else "-" + self._text(first, 3)
            return text + "".join(f" {'+' if sign > 0 else '-'} {self._text(operand, 2)}" for sign, operand in rest)
        if op == "neg":
            return "-" + self._text(first, 3)
        if op == "slice":
            return f"{self._text(first, 4)}[{constants[0]}:{constants[1]}]"
        if op in LEVELS:
            return f"{self._text(first, 1 if op == '>' else 2)} {op} {self._text(last, 1 if op == '>' else 3)}"
        parts = [self._text(part) for part in operands + (() if constants == DEFAULTS.get(op) else constants)]
        return f"{'max' if op == 'maximum' else op}({', '.join(parts)})"

    def _order(self, operand: Operand) -> None:
        """Append a line that is needed, after those that it reads."""
        if operand in self._made and operand not in self.lines and operand not in self.inputs:
            for part in self._made[str(operand)].operands:
                self._order(part)
            self.lines[str(operand)] = self._made[str(operand)]

    def _find_matrices(self, matrices: set[str]) -> None:
        """Decide which product each @ is: the matrix is a parameter, or a matrix that is computed."""
        before = -1
        while before != len(matrices):
            before = len(matrices)
            for line in self.lines.values():
                if line.op == "outer" or (line.op in SAME and matrices.intersection(map(str, line.operands))):
                    matrices.add(line.name)
            matrices |= {state for state, carried in self.carry.items() if carried in matrices}
        for line in [line for line in self.lines.values() if line.op == "@"]:
            left, right = (operand in self.parameters for operand in line.operands)
            op = "matvec" if left else "vecmat"
            if not (left or right) or line.operands[1 if left else 0] in matrices:
                op = "vecmem" if line.operands[1] in matrices else "memvec"
            self.lines[line.name] = line._replace(op=op)

    def _hold(self, held: set[Operand], scaled: set[Operand], output: Operand) -> None:
        """Put the choice between a computed and a supplied value into the lines that are held or scaled."""
        before, self.lines = self.lines, {}
        need(held | scaled <= set(before), "hold or scale names something that is not a line")
        taken = {*before, *self.inputs, *self._states, *self.parameters}
        for name, line in before.items():
            if name not in held | scaled:
                self.lines[name] = line
                continue
            text, count, end = re.sub(r"\W+", "_", name).strip("_")[:40], 1, ""
            prefixes = ("hold_", "to_", "scale_", "by_", "free_")
            while taken & {prefix + text + end for prefix in prefixes}:
                end = f"_{(count := count + 1)}"
            hold, to, scale, by, free = new = [prefix + text + end for prefix in prefixes]
            taken |= set(new)
            self.inputs, self.choices = self.inputs + new[:4], self.choices | {hold, scale}
            self.lines[free] = line._replace(name=free)
            chosen, product = free, f"{by} * {free}"
            if name in scaled:
                chosen = f"where({scale}, {product}, {free})" if name in held else name
                self.lines[product] = Line(product, "*", (by, free))
                self.lines[chosen] = Line(chosen, "where", (scale, product, free))
            if name in held:
                self.lines[name] = Line(name, "where", (hold, to, chosen))
            if name == output and line.op == "where" and line.operands[0] == "valid":
                self.carry |= {state: free for state in map(str, line.operands[2:]) if self.carry.get(state) == name}


# --- Numbers ---------------------------------------------------------------------------------------------------------
# A number is a Fraction, or a float where NaN or an infinity is among the operands, since nothing needs rounding there.
# An arithmetic says how stored numbers are read and what is rounded; the type of a trace is one of them.

Number = Fraction | float
FORMATS = {  # significant bits; exponents of the least number, the least normal number, the first that is too large
    "float64": (53, -1074, -1022, 1024),
    "float32": (24, -149, -126, 128),
    "float16": (11, -24, -14, 16),
    "bfloat16": (8, -133, -126, 128),
}


def nearest(n: int, d: int, form: str) -> float:
    """Round n / d to the nearest number of a format, ties to even; what is too large becomes infinite."""
    bits, least, _, most = FORMATS[form]
    e = max(n.bit_length() - d.bit_length() - bits, least)  # n / d / 2^e is between 2^(bits-1) and 2^(bits+1), or below
    while True:
        unit = d << max(e, 0)
        q, rest = divmod(n << max(-e, 0), unit)
        q += 2 * rest > unit or (2 * rest == unit and q & 1)
        if not abs(q) >> bits:
            return math.ldexp(q, e) if q.bit_length() + e <= most else math.inf if n > 0 else -math.inf
        e += 1


def stored(x: Number) -> float:
    """Return the float64 in which a number is stored."""
    return x if isinstance(x, float) else nearest(x.numerator, x.denominator, "float64")


class Arithmetic:
    """How operands are read, and what is rounded where. `fixed`: one order and one result, in place of a bound."""

    def __init__(self, name: str, dtype: str) -> None:
        self.fixed, self.form = bool(name), name or dtype
        hand, point = re.fullmatch(r"by-hand-(1[0-5]|\d)", name), re.fullmatch(r"q([1-9]\d?)\.(\d\d?)", name)
        right = int(point[1]) + int(point[2]) <= 32 if point else hand or (self.form in FORMATS and name != "float64")
        need(right, f"unknown arithmetic {shown(name)}")
        self.hand = 10 ** int(hand[1]) if hand else 0
        self.point = 2 ** int(point[2]) if point else 0
        self.limit = self.point * 2 ** int(point[1]) // 2 if point else 0

    def rounded(self, x: Number) -> Number:
        """Round a result."""
        if self.point and x == x:
            units = round(x * self.point) if math.isfinite(x) else int(math.copysign(self.limit, x))
            return Fraction(min(max(units, -self.limit), self.limit - 1), self.point)
        if isinstance(x, float) or (self.hand and abs(x) >= 10**60):
            return x
        if self.hand:
            units = math.floor(abs(x) * self.hand + Fraction(1, 2))
            return Fraction(units if x > 0 else -units, self.hand)
        x = nearest(x.numerator, x.denominator, self.form)
        return Fraction(x) if math.isfinite(x) else x

    def read(self, values: Sequence[float]) -> list[Any]:
        """Read stored numbers: as they are, by hand as the shortest decimals that read back equal, else rounded."""
        kind = (lambda x: Fraction(repr(x))) if self.hand else Fraction
        found = [kind(x) if math.isfinite(x) else x for x in values]
        found = [self.rounded(x) for x in found] if self.fixed and not self.hand else found
        return found if all(isinstance(x, Fraction) for x in found) else [stored(x) for x in found]

    def constants(self, values: Sequence[float]) -> list[Fraction]:
        """Read the numbers of elu and clip: rounded to the type of the trace, or decimals as written."""
        rounded = [] if self.fixed else [nearest(*x.as_integer_ratio(), self.form) for x in values]
        return [Fraction(repr(x)) for x in values] if self.fixed else [Fraction(x) for x in rounded]

    def total(self, terms: Sequence[Number]) -> Number:
        """Add, from left to right. By hand and in fixed point only the complete sum is rounded."""
        value, exact = terms[0], bool(self.hand or self.point)
        for term in terms[1:]:
            value = value + term if exact else self.rounded(value + term)
        return self.rounded(value) if exact else value

    def dot(self, a: Sequence[float], b: Sequence[float]) -> Number:
        """Add products, in order; those of fixed point are exact."""
        numbers = self.read([*a, *b])
        products = [x * y for x, y in zip(numbers, numbers[len(a) :], strict=False)]
        return self.total(products if self.point else [self.rounded(product) for product in products])


# --- Functions -------------------------------------------------------------------------------------------------------
# Each is enclosed between two integers: lo / q <= f(n / d) <= hi / q with q = 2^s; "a unit" is 1 / q. Divisions round
# down, and what they lose is counted. All functions come from one series.


def series(x: int, s: int, first: int, sign: int, factorial: bool) -> tuple[int, int]:
    """Enclose the sum of sign^j (x / q)^n / n! (or / n), n = first + 2 j, first 0 or 1; of / n, 0 <= x / q <= 1/3.

    cosh, sinh, cos, sin of 0 <= x / q <= 1 are sums with n!, atanh and atan those with n; x may be 1 unit too small.

    The square is less than 1 unit too small. A power (with its n!) that is e <= 2 units too small makes the next one
    less than (e + 1 + 1) / 2 + 1 too small with n! >= 2 (n - 2)!, or e / 9 + 1/3 + 1: at most 2 in both cases. The
    division by n loses less than 1 more. The first power whose integer is 0 is below 2, all from there on below 4;
    what x lacks counts below 2, as every slope is.
    """
    square, power, total, n = x * x >> s, x if first else 1 << s, 0, first
    while power:
        total += (power if factorial else power // n) * sign ** (n // 2)
        power, n = power * square >> s, n + 2
        power = power // (n * (n - 1)) if factorial else power
    wide = 3 * (n // 2) + 6
    return total - wide, total + wide


@cache
def log_2(s: int) -> tuple[int, int]:
    """Enclose log 2 = 2 atanh(1/3)."""
    lo, hi = series((1 << s) // 3, s, 1, 1, False)
    return 2 * lo, 2 * hi


@cache
def half_pi(s: int) -> tuple[int, int]:
    """Enclose pi / 2 = 8 atan(1/5) - 2 atan(1/239), Machin's formula."""
    (a, b), (c, d) = (series((1 << s) // n, s, 1, -1, False) for n in (5, 239))
    return 8 * a - 2 * d, 8 * b - 2 * c


def exp(n: int, d: int, s: int) -> tuple[int, int]:
    """Enclose exp(x) = 2^k exp(r), r = x - k log 2 between low and high (slope below 3), and exp(-x) = 1 / exp(x).

    Beyond 4096 it is enough to know that exp(x) is above 2^5900, and exp(-x) below 2^-5900: no format has such numbers.
    """
    if n < 0:
        lo, hi = exp(-n, d, s)
        return (1 << 2 * s) // hi, (1 << 2 * s) // lo + 1
    if n > 4096 * d:
        return 1 << s + 5900, 1 << s + (1 << 16) + 2 * n // d if n < d << 20 else 1 << s + (1 << 22)
    w = s + 3 * n // (2 * d) + 20  # 2^k < 2^(3 x / 2 + 1): the error of the series counts 2^k times
    x, (least, most) = (n << w) // d, log_2(w)
    k = x // most
    low, high = x - k * most, x + 1 - k * least
    lo, hi = map(sum, zip(series(low, w, 0, 1, True), series(low, w, 1, 1, True), strict=True))  # cosh + sinh
    return max(lo, 1 << w) << k >> w - s, (hi + 3 * (high - low) << k >> w - s) + 1


def log(n: int, d: int, s: int) -> tuple[int, int]:
    """Enclose log(x) = k log 2 + 2 atanh((m - 1) / (m + 1)), x = 2^k m, 2/3 <= m <= 4/3: its argument is within 1/5."""
    k = n.bit_length() - d.bit_length()
    n, d = n << max(-k, 0), d << max(k, 0)  # 1/2 < n / d < 2
    k, n, d = (k + 1, n, 2 * d) if 3 * n > 4 * d else (k - 1, 2 * n, d) if 3 * n < 2 * d else (k, n, d)
    lo, hi = series((abs(n - d) << s) // (n + d), s, 1, 1, False)
    lo, hi = (-hi, -lo) if n < d else (lo, hi)
    ends = [k * end for end in log_2(s + 20)]  # |k| counts its error
    return 2 * lo + (min(ends) >> 20), 2 * hi + (max(ends) >> 20) + 1


def sine(n: int, d: int, s: int, quarter: int) -> tuple[int, int]:
    """Enclose sin(x + quarter pi / 2): with x = k pi / 2 + r, |r| <= 1, it is the sine or cosine of r, or minus that.

    An r that is off by e units moves the result by at most e.
    """
    w = s + max(n.bit_length() - d.bit_length(), 0) + 20
    x, (least, most) = (n << w) // d, half_pi(w)
    k = (2 * x + most) // (2 * most)
    r, wide, odd = x - k * most, 1 + abs(k) * (most - least), (k + quarter) % 2
    lo, hi = series(abs(r), w, 1 - odd, -1, True)
    if ((k + quarter) % 4 >= 2) != (not odd and r < 0):
        lo, hi = -hi, -lo
    return lo - wide >> w - s, (hi + wide >> w - s) + 1


def enclosed(op: str, x: Fraction, constants: Sequence[Number], s: int) -> tuple[int, int]:
    """Enclose the value of a function. Each formula is monotonic in exp(x), so that the ends of one give its ends."""
    n, d, one = x.numerator, x.denominator, 1 << s
    if op == "sqrt":
        root = math.isqrt((n << 2 * s) // d)
        return root, root + 1
    if op in ("log", "sin", "cos"):
        return log(n, d, s) if op == "log" else sine(n, d, s, int(op == "cos"))
    if op == "softplus":  # max(x, 0) + 2 atanh(y / (2 + y)), y = exp(-|x|) <= 1
        ratios = [min(end, one) * one // (min(end, one) + 2 * one) for end in exp(-abs(n), d, s)]
        lo, hi = (series(ratio, s, 1, 1, False)[end] for end, ratio in enumerate(ratios))
        return 2 * lo + (max(n, 0) << s) // d, 2 * hi + (max(n, 0) << s) // d + 1
    lo, hi = exp(2 * n if op == "tanh" else n, d, s)
    if op == "sigmoid":  # 1 - 1 / (1 + exp(x))
        return one - one * one // (one + lo) - 1, one - one * one // (one + hi)
    if op == "tanh":  # 1 - 2 / (exp(2 x) + 1)
        return one - 2 * one * one // (lo + one) - 1, one - 2 * one * one // (hi + one)
    if op == "elu":  # alpha (exp(x) - 1)
        ends = [constants[0] * (lo - one), constants[0] * (hi - one)]
        return math.floor(min(ends)), math.ceil(max(ends))
    return lo, hi


EPSILONS = {"sigmoid": 6, "elu": 6, "softplus": 6, "tanh": 4, "exp": 4, "log": 4, "sin": 4, "cos": 4}
AT_ZERO = {"sigmoid": Fraction(1, 2), "exp": Fraction(1), "cos": Fraction(1), "tanh": Fraction(0), "sin": Fraction(0)}
FAR = {"sigmoid": (0, 1), "tanh": (-1, 1), "exp": (0, math.inf), "softplus": (0, math.inf)}  # at ±infinity


def known(op: str, x: Number, constants: Sequence[Number]) -> Number | None:
    """Return the value of a function where it is a fraction or not finite; None where it has to be enclosed."""
    if x != x or (op in ("sin", "cos") and isinstance(x, float)) or (op in ("log", "sqrt") and x < 0):
        return math.nan
    if op in ("relu", "clip"):
        return max(x, Fraction(0)) if op == "relu" else min(constants[1], max(x, constants[0]))
    if isinstance(x, float):
        end = ((-constants[0], x) if op == "elu" else FAR.get(op, (x, x)))[x > 0]
        return end if isinstance(end, float) else Fraction(end)
    if op == "floor" or (op == "elu" and x >= 0):
        return Fraction(math.floor(x)) if op == "floor" else x
    if op == "sqrt":
        root = Fraction(math.isqrt(x.numerator), math.isqrt(x.denominator))
        return root if root * root == x else None
    if op == "log" and x in (0, 1):
        return -math.inf if x == 0 else Fraction(0)
    return AT_ZERO.get(op) if x == 0 else None


# --- Rules -----------------------------------------------------------------------------------------------------------
# One recorded value r is judged by the recorded operands of its line. Each judge returns "" if r is proved, and
# otherwise what is derived in its place, with the bound.


def gathered(line: Line, i: int, vectors: Sequence[Sequence[Any]]) -> list[Any]:
    """Return what unit i of a line reads from its operands: the factors of a product in two lists, all else in one."""
    first, last, op = vectors[0], vectors[-1], line.op
    if op in ("matvec", "memvec"):
        return [first[i * len(last) : (i + 1) * len(last)], last]  # a row of the matrix
    if op in ("vecmat", "vecmem"):
        return [first, last[i :: len(last) // len(first)]]  # a column
    if op in ("sum", "mean", "max"):
        return [first]
    if op == "slice":
        return [[first[i + line.constants[0]]]]
    if op == "concat":
        ends = list(accumulate(map(len, vectors)))
        place = bisect(ends, i)
        return [[vectors[place][i - ends[place]]]]  # counted from the end
    units: Sequence[int] = divmod(i, len(last)) if op == "outer" else [i] * len(vectors)
    return [[vector[unit if len(vector) > 1 else 0] for vector, unit in zip(vectors, units, strict=True)]]


def function(line: Line, x: Number, a: Arithmetic) -> Number:
    """Return a function's value, rounded once: digits are added until both ends round to the same number."""
    constants, s = a.constants(line.constants), 64
    if (value := known(line.op, x, constants)) is not None:
        return a.rounded(value)
    while (s := 2 * s) < 1 << 14:
        low, high = (a.rounded(Fraction(end, 1 << s)) for end in enclosed(line.op, Fraction(x), constants, s))
        if stored(low) == stored(high):
            return low
    raise UnknownError("its value is too near to the middle between two numbers")


def exact(line: Line, parts: list[Sequence[float]], a: Arithmetic) -> Any:
    """Return the value of a unit in an arithmetic that has one result for it."""
    op, x = line.op, a.read(parts[0])
    if op in PRODUCTS:
        return a.dot(*parts)
    if op in UNARY:
        return function(line, x[0], a)
    if op in ("add", "sum", "mean"):
        signs = line.constants or [1] * len(x)
        total = a.total([term if sign > 0 else -term for sign, term in zip(signs, x, strict=True)])
        return a.rounded(total / len(x)) if op == "mean" else total
    if op in ("max", "maximum"):
        return math.nan if any(value != value for value in x) else max(x)
    if op == "where":
        return x[1] if x[0] != 0 else x[2]
    if op == ">":
        return a.read([float(x[0] > x[1])])[0]
    if op == "/" and x[1] == 0:  # the sign of the zero matters
        infinite = math.copysign(math.inf, x[0]) * math.copysign(1, parts[0][1])
        return math.nan if x[0] == 0 or x[0] != x[0] else infinite
    computed: dict[str, Callable[..., Any]] = {"*": mul, "outer": mul, "/": truediv, "neg": neg}
    return a.rounded(computed[op](*x)) if op in computed else x[0]  # copy, slice, concat


def equal(value: Number, r: float, form: str) -> str:
    """Judge r beside the only result: 0 = -0, NaN = NaN; 0 may stand for what is below the normal numbers."""
    x, normal = stored(value), math.ldexp(1, FORMATS[form][2])
    right = x == r or (x != x and r != r) or (r == 0 and -normal < value < normal)
    return "" if right else repr(x)


def shown_near(e: Fraction, bound: Fraction, why: str) -> str:
    """Write a derived value in decimals, with its bound."""
    digits = [Context(n, Emin=-99999, Emax=99999) for n in (20, 3)]
    texts = [c.divide(Decimal(x.numerator), Decimal(x.denominator)) for c, x in zip(digits, (e, bound), strict=True)]
    return f"{texts[0]} ± {texts[1]} ({why})"


Whole = tuple[Sequence[Any], Sequence[Any], int]


def whole(values: Sequence[float]) -> Whole:
    """Return the values as integers of 2^-s, their magnitudes, and s; None for what is not finite."""
    ratios = [x.as_integer_ratio() if math.isfinite(x) else (None, 1) for x in values]
    s = max(d.bit_length() for _, d in ratios) - 1
    integers = [n if n is None else (n << s) // d for n, d in ratios]
    return integers, [n if n is None else abs(n) for n in integers], s


def within_roundings(terms: list[tuple[Whole, Whole]], divisor: int, k: int, r: float, form: str) -> str:
    """Judge r beside the exact value e of a sum of products, with k roundings; S is the sum of their magnitudes.

    |r - e| <= k u / (1 - k u) S + k (least number), u = 2^-bits, is multiplied by (1 - k u) 2^bits and the divisors.
    """
    (bits, least, normal, most), e, total = FORMATS[form], 0, 0
    s = max(i + j for (_, _, i), (_, _, j) in terms)
    d = divisor << s
    try:
        for (x, sizes, i), (y, others, j) in terms:
            e, total = e + (sum(map(mul, x, y)) << s - i - j), total + (sum(map(mul, sizes, others)) << s - i - j)
    except TypeError:
        raise UnknownError("an operand is NaN or infinite") from None
    large = total.bit_length() - d.bit_length() >= most - 2 and nearest(total, d, form) == math.inf
    if large or 2 * (k + 2) >= 1 << bits:
        raise UnknownError("the terms are too large, or too many, for a bound")
    if math.isfinite(r):
        n, m = r.as_integer_ratio()
        excess = abs(n * d - e * m) * ((1 << bits) - k) - k * total * m
        if excess <= 0 or excess << -least <= k * ((1 << bits) - k) * d * m or (r == 0 and abs(e) << -normal < d):
            return ""
    bound = Fraction(k * total, ((1 << bits) - k) * d) + Fraction(k, 1 << -least)
    return shown_near(Fraction(e, d), bound, f"{k} roundings")


def within_epsilons(line: Line, x: float, r: float, a: Arithmetic) -> str:
    """Judge r beside the value e of a function: |r - e| <= p epsilon |e| + least normal number, e between lo and hi."""
    (bits, _, normal, most), p, constants, s = FORMATS[a.form], EPSILONS[line.op], a.constants(line.constants), 64
    value = known(line.op, a.read([x])[0], constants)
    if not math.isfinite(x) or isinstance(value, float):
        raise UnknownError("an operand or the exact value is not finite")
    n, m = r.as_integer_ratio() if math.isfinite(r) else (1 << most + 9, 1)
    while (s := 2 * s) < 1 << 14:
        ends = enclosed(line.op, Fraction(x), constants, s) if value is None else (value * 2**s, value * 2**s)
        lo, hi = math.floor(ends[0]), math.ceil(ends[1])
        near, far = 0 if lo <= 0 <= hi else min(abs(lo), abs(hi)), max(abs(lo), abs(hi))
        if near.bit_length() - s >= most and nearest(near, 1 << s, a.form) == math.inf:
            raise UnknownError("the exact value is too large")
        sides = abs((n << s) - lo * m), abs((n << s) - hi * m)
        t = s + normal + bits - 1  # all is multiplied by 2^(bits-1), by 2^s and by m
        if max(sides) << bits - 1 <= m * (p * near + (1 << t if t >= 0 else 0)):
            return ""
        if not lo * m <= n << s <= hi * m and min(sides) << bits - 1 > m * (p * far + (1 << t if t >= 0 else 1)):
            bound = Fraction(p * far, 1 << s + bits - 1) + Fraction(1, 1 << -normal)
            return shown_near(Fraction(lo + hi, 2 << s), bound, f"{p} epsilon")
    raise UnknownError("its value is too near to the bound")


def judged(line: Line, i: int, vectors: list[Sequence[float]], scaled: list[Whole], r: float, a: Arithmetic) -> str:
    """Judge one recorded value of a line; `scaled` has the operands of a product or sum as integers."""
    if scaled:
        x, sizes = gathered(line, i, [part[0] for part in scaled]), gathered(line, i, [part[1] for part in scaled])
        n = len(x[0])
        second = (x[1], sizes[1], scaled[1][2]) if line.op in PRODUCTS else ([1] * n, [1] * n, 0)
        terms = [((x[0], sizes[0], scaled[0][2]), second)]
        return within_roundings(terms, n if line.op == "mean" else 1, n - (line.op == "sum"), r, a.form)
    parts = gathered(line, i, vectors)
    if line.op in EPSILONS and not a.fixed:
        return within_epsilons(line, parts[0][0], r, a)
    return equal(exact(line, parts, a), r, "float64" if a.fixed else a.form)


def judged_sum(terms: list[list[Sequence[float]]], r: float, a: Arithmetic) -> str:
    """Judge one unit of a sum over all steps and sequences; a term has the values of one or two units."""
    ones, outer = [1.0] * len(terms[0][0]), len(terms[0]) == 2
    pairs = [(term[0], term[1] if outer else ones) for term in terms]
    if not a.fixed:
        count = len(terms) * len(ones) - (not outer)
        return within_roundings([(whole(x), whole(y)) for x, y in pairs], 1, count, r, a.form)
    values = [a.dot(x, y) for x, y in pairs]
    return equal(a.total(values) if len(values) > 1 else values[0], r, "float64")


# --- The walk --------------------------------------------------------------------------------------------------------
# Every stage, in the order of the file; its steps in the order in which it visits them; its lines in their order. Where
# the values of a name are is found once, by the table of operands of the page.

WIDTHS: dict[str, Callable[..., int]] = {  # from the widths of the operands, and the constants; 0: they contradict
    "memvec": lambda w, _: w[0] // w[1] if w[0] % w[1] == 0 else 0,
    "vecmem": lambda w, _: w[1] // w[0] if w[1] % w[0] == 0 else 0,
    "outer": lambda w, _: w[0] * w[1],
    "slice": lambda w, ends: ends[1] - ends[0] if ends[0] < ends[1] <= w[0] else 0,
    "concat": lambda w, _: sum(w),
    **dict.fromkeys(("max", "sum", "mean"), lambda w, _: 1),
    **dict.fromkeys(SAME, lambda w, _: max(w) if set(w) <= {1, max(w)} else 0),
}
LISTED = 100  # refuted values and reasons that are printed


class Place(NamedTuple):
    """Where the values of a name are."""

    width: int | None  # None: not known
    read: Callable[[int, int], Sequence[float]] = lambda k, b: ()  # at a step of a sequence
    shape: tuple[int, ...] = ()  # of a parameter
    missing: str = ""  # what is not in the file


class Check:
    """Judge every value of a trace, or `sample` values of each line."""

    def __init__(self, trace: Trace, sample: int = 0, progress: Callable[[int], None] = lambda count: None) -> None:
        self.trace, self.sample, self.progress = trace, sample, progress
        self.arithmetic = Arithmetic(trace.arithmetic, trace.dtype)
        self.proved = self.refuted = self.left = 0
        self.findings: list[str] = []
        self.unknown: dict[str, int] = {}
        self._columns: dict[tuple[str, Operand], int] = {}  # of lines that are matrices
        self.place: Callable[[str, Operand], Place] = cache(self._place)
        self._whole: Callable[[Place], Whole] = cache(lambda place: whole(place.read(0, 0)))  # of a parameter
        for stage in trace.stages.values():
            self._refuse(stage)
        for stage in trace.stages.values():
            self._judge_lines(stage)
            self._judge_sums(stage)
        have = {name for part in (trace.lines, trace.given, trace.sums) for group in part.values() for name in group}
        for name in (re.sub(r"\[[^:\]]*\]$", "", str(asked).split("/")[-1]) for asked in trace.ask):
            if name not in have:
                self.unknown[f"{shown(name)} was asked for and has no values"] = 0

    @property
    def status(self) -> int:
        """0 proved, 1 refuted, 3 inconclusive."""
        return 1 if self.refuted else 3 if self.unknown or not self.proved else 0

    def _place(self, scope: str, name: Operand) -> Place:
        """Find the values of a name that a line of a stage reads."""
        trace, stage, where = self.trace, self.trace.stages[scope], f"{scope}/{shown(name)}"
        cell = stage.cell
        if isinstance(name, float):
            rounded = [nearest(*name.as_integer_ratio(), trace.dtype)]
            return Place(1, lambda k, b: rounded)
        source = stage.sources.get(name, "") if name in cell.inputs else ""
        recorded = trace.lines[scope].get(name)
        values = recorded or {"x": trace.x, "valid": trace.valid, "given": trace.given[scope].get(name)}.get(source)
        if values:
            width, flat = values.shape[2], values.flat
            return Place(width, lambda k, b: flat[(k * trace.batch + b) * width : (k * trace.batch + b + 1) * width])
        if name in cell.carry:
            before, initial = self.place(scope, cell.carry[name]), trace.initial[scope].get(name)
            if initial is None or before.missing:
                return Place(before.width, missing=before.missing or f"the initial value of {shown(name)}")
            wide = initial.shape[1]
            need(before.width == wide, f"{where}: the width of its initial value is not {before.width}")
            rows = [initial.flat[b * wide : (b + 1) * wide] for b in range(trace.batch)]
            start, step = (trace.steps - 1, 1) if stage.backwards else (0, -1)
            return Place(wide, lambda k, b: rows[b] if k == start else before.read(k + step, b))
        if name in cell.inputs:
            scopes, (layer, direction, read) = list(trace.stages), (*source.split("/", 2), "", "")[:3]
            other = f"{layer}/{direction}"
            need(other in scopes[: scopes.index(scope)], f"{where} has no source {shown(source)}")
            there = trace.stages[other].cell
            need(read in {*there.lines, *there.carry, *there.inputs}, f"{where}: there is no {shown(source)}")
            return self.place(other, read)
        if name in cell.lines:
            return Place(None, missing=shown(name))
        need(name in trace.parameters.get(stage.weights, {}), f"{where}: this parameter has no values")
        shape, weights = trace.parameters[stage.weights][name]
        return Place(len(weights), lambda k, b: weights, shape)

    def _width(self, scope: str, line: Line) -> int | None:
        """Return the width of a line by the rule of its operation; None if that of an operand is not known."""
        places = [self.place(scope, operand) for operand in line.operands]
        widths = [place.width for place in places if place.width]
        if len(widths) < len(places):
            return None
        if line.op in ("matvec", "vecmat"):  # the matrix, or turned, has as many columns as the vector has units
            shape, vector = (places[0].shape, widths[1]) if line.op == "matvec" else (places[1].shape[::-1], widths[0])
            width = shape[0] if shape[1:] == (vector,) else 0
        else:
            width = WIDTHS[line.op](widths, line.constants)
        need(width, f"{scope}/{shown(line.name)}: the widths {shown(widths)} of its operands do not fit {line.op}")
        return width

    def _refuse(self, stage: Stage) -> None:
        """Refuse what nothing reads, and shapes that the operations contradict."""
        trace, scope, cell = self.trace, stage.scope, stage.cell
        weights = {name for other in trace.stages.values() if other.weights == scope for name in other.cell.parameters}
        given = {name for name in cell.inputs if stage.sources.get(name) == "given"}
        extra = trace.parameters[scope].keys() - weights | trace.initial[scope].keys() - cell.carry.keys()
        extra |= trace.given[scope].keys() - given | trace.lines[scope].keys() - set(stage.computed)
        extra |= trace.sums[scope].keys() ^ cell.sums.keys() if trace.sums[scope] else set()
        need(not extra, f"{scope}: nothing computes or reads {shown(sorted(extra))}, or it is a sum without values")
        for name in cell.choices & trace.given[scope].keys():
            need(set(trace.given[scope][name].flat) <= {0, 1}, f"{scope}/{shown(name)} is not 0 or 1")
        for state in cell.carry:
            self.place(scope, state)
        for line in (cell.lines[name] for name in stage.computed):
            columns = [self._columns.get((scope, operand), 0) for operand in line.operands if line.op in SAME]
            outer = self.place(scope, line.operands[-1]).width if line.op == "outer" else 0
            self._columns[scope, line.name] = outer or max(columns, default=0)
            width, recorded = self._width(scope, line), trace.lines[scope].get(line.name)
            right = not recorded or width in (None, recorded.shape[2])
            need(right, f"{scope}/{shown(line.name)} should have the width {width}")

    def _picked(self, scope: str, name: str, operands: Sequence[Operand], size: int) -> Sequence[int]:
        """Return which of so many values are judged: all, a sample, or none if an operand is not in the file."""
        missing = [place.missing for place in (self.place(scope, operand) for operand in operands) if place.missing]
        if missing:
            self._note(f"{scope}/{shown(name)} reads {missing[0]}, which is not in the file", size)
            return ()
        if not 0 < self.sample < size:
            return range(size)
        self.left += size - self.sample
        return sorted(random.SystemRandom().sample(range(size), self.sample))

    def _note(self, reason: str, size: int) -> None:
        reason = reason if len(self.unknown) < LISTED else "others"
        self.unknown[reason] = self.unknown.get(reason, 0) + size

    def _judge(self, where: tuple[str, str, str, int], columns: int, judge: Callable[..., str], *parts: Any) -> None:
        """Judge one value (the last but one of the parts), and count it. Its address: scope, position, name, unit."""
        scope, position, name, i = where
        try:
            derived = judge(*parts)
        except UnknownError as error:
            self._note(f"{scope}/{shown(name)}: {error}", 1)
            return
        self.proved, self.refuted = self.proved + (not derived), self.refuted + bool(derived)
        if derived and len(self.findings) < LISTED:
            address = f"{scope}/{position}{shown(name, 2000)}[{f'{i // columns},{i % columns}' if columns else i}]"
            self.findings.append(f"{address}: recorded {parts[-2]!r}, derived {derived}")
        if (self.proved + self.refuted) % 1000 == 0:
            self.progress(self.proved + self.refuted)

    def _judge_lines(self, stage: Stage) -> None:
        """Judge the lines of a stage, step by step."""
        trace, scope, a, wanted = self.trace, stage.scope, self.arithmetic, []
        for line in (line for name, line in stage.cell.lines.items() if name in trace.lines[scope]):
            (*_, width), flat = trace.lines[scope][line.name]
            picked = self._picked(scope, line.name, line.operands, len(flat))
            places, columns = [self.place(scope, operand) for operand in line.operands], self._columns[scope, line.name]
            wanted.append((line, width, columns, flat, picked, places))
        for k in reversed(range(trace.steps)) if stage.backwards else range(trace.steps):
            for line, width, columns, flat, picked, places in wanted:
                here, row = range(k * trace.batch * width, (k + 1) * trace.batch * width), -1
                for at in here if isinstance(picked, range) else [at for at in picked if at in here]:
                    if at // width != row:
                        row, scaled = at // width, []
                        position = f"{trace.first + k}/{row % trace.batch}/"
                        vectors = [place.read(k, row % trace.batch) for place in places]
                        if not a.fixed and line.op in (*PRODUCTS, "sum", "mean"):
                            pairs = zip(places, vectors, strict=True)  # a parameter becomes integers only once
                            scaled = [self._whole(place) if place.shape else whole(vector) for place, vector in pairs]
                    where = scope, position, line.name, at % width
                    self._judge(where, columns, judged, line, at % width, vectors, scaled, flat[at], a)

    def _judge_sums(self, stage: Stage) -> None:
        """Judge the sums of a stage over all steps and sequences."""
        trace, scope = self.trace, stage.scope
        for name, recorded in trace.sums[scope].items():
            terms, at = stage.cell.sums[name], [(k, b) for k in range(trace.steps) for b in range(trace.batch)]
            picked = self._picked(scope, name, [operand for term in terms for operand in term], len(recorded.flat))
            places = [[self.place(scope, operand) for operand in term] for term in terms] if picked else []
            for shape in {tuple(place.width or 0 for place in term) for term in places}:
                weight = trace.parameters.get(stage.weights, {}).get(stage.cell.gradient.get(name, ""))
                right = recorded.shape == (weight.shape if weight else shape) and len(recorded.flat) == math.prod(shape)
                need(right, f"the sum {scope}/{shown(name)} has a wrong shape")
            values = [[[x for k, b in at for x in place.read(k, b)] for place in term] for term in places]
            for i in picked:
                units: list[int] = [*divmod(i, shape[1])] if len(shape) == 2 else [i]
                columns = [[term[j][unit :: shape[j]] for j, unit in enumerate(units)] for term in values]
                wide = recorded.shape[1] if len(recorded.shape) == 2 else 0
                self._judge((scope, "", name, i), wide, judged_sum, columns, recorded.flat[i], self.arithmetic)


# --- Command line ----------------------------------------------------------------------------------------------------


def report(path: Path, check: Check, quiet: bool) -> Iterator[str]:
    """Write what was found."""
    trace, verdict = check.trace, {0: "proved", 1: "refuted", 3: "inconclusive"}[check.status]
    counts = f"{check.proved:,} values proved, {check.refuted:,} refuted, {sum(check.unknown.values()):,} not decided"
    sampled = f"; a sample: {check.left:,} values were not looked at" if check.left else ""
    yield f"{shown(path)}: {verdict}: {counts}{sampled}"
    yield from (f"  refuted: {finding}" for finding in check.findings)
    yield from [f"  and {check.refuted - LISTED:,} more"] if check.refuted > LISTED else []
    yield from (f"  inconclusive: {reason} ({count:,} values)" for reason, count in check.unknown.items())
    if quiet:
        return
    common = [*(["x"] if trace.x else []), *(["lengths or mask"] if trace.valid else [])]
    steps = f"steps {trace.first} to {trace.first + trace.steps - 1}, {trace.batch} sequences"
    yield f"  {steps}, {trace.arithmetic or trace.dtype}; premises {', '.join(common) or 'none'} and:"
    for scope, stage in trace.stages.items():
        parts = {"": trace.parameters[scope], "initial ": trace.initial[scope], "given ": trace.given[scope]}
        names = [f"{kind}{shown(name)} {list(part[name].shape)}" for kind, part in parts.items() for name in part]
        sources = [f"{shown(name)} from {shown(source)}" for name, source in stage.sources.items()]
        yield f"  {scope}: premises {', '.join(names) or 'none'}; inputs {', '.join(sources) or 'none'}; equations:"
        yield from (f"    {shown(row, 2000)}" for row in stage.cell.text.splitlines())


def main() -> int:
    """Check the files of the command line; return the exit status."""
    parser = argparse.ArgumentParser(description="Prove or refute every value of a trace from the specification alone.")
    parser.add_argument("traces", nargs="+", type=Path, metavar="TRACE")
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="judge N random values of each line and sum")
    parser.add_argument("--quiet", action="store_true", help="print neither premises nor equations")
    options, statuses = parser.parse_args(), set()
    warnings.simplefilter("ignore")  # Python's parser warns of odd expressions

    def progress(count: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{count:,} values\r", end="", file=sys.stderr)

    for path in options.traces:
        try:
            check = Check(Trace(path), options.sample, progress)
            print("\n".join(report(path, check, options.quiet)))
            statuses.add(check.status)
        except UnknownError as error:
            print(f"{shown(path)}: inconclusive: {error}")
            statuses.add(3)
        except RefusedError as error:
            print(f"{shown(path)}: {error}", file=sys.stderr)
            statuses.add(2)
        except Exception as error:  # a file that this program cannot follow must not look refuted, which is status 1
            print(f"{shown(path)}: cannot be judged: {type(error).__name__}: {shown(error)}", file=sys.stderr)
            statuses.add(2)
    return next(status for status in (2, 1, 3, 0) if status in statuses)


if __name__ == "__main__":
    sys.exit(main())
